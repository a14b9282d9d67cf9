"""The engine that chats: intake, scheduler, placement and the decode loop. Pure but for intake, loop and
worker.
"""
