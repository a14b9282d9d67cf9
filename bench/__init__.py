"""Measurements of the gateway: `python -m bench` or `make bench`. Measured figures and how they came about:
`RESULTS.md`.

`scenarios` lists what can be measured: `concurrency` (do eight chats at once beat eight in a row? real model,
has a threshold), `single` (one stream alone, real model) and `overhead` (what the gateway itself costs, fake
engine); the others compare with llama.cpp's own server (`peer`, extra `bench`) or our parts alone (`bare`)
and have bounds (`comparison`). Each drives gateways (`server`; with the fake engine `gateway` and
`fake_engine`) with a load generator (`load`, `chats`, `client`), all in processes of their own. `report`
prints what came of it, with the `machine` that it was measured on.
"""
