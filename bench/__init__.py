"""Measurements of the gateway: `python -m bench` or `make bench`. Measured figures and how they came about: `RESULTS.md`.

`scenarios` lists what can be measured: `concurrency` (do eight chats at once beat eight in a row? real model, has a
threshold), `single` (one stream alone, real model) and `overhead` (what the gateway itself costs, fake engine). Each
drives gateways (`server`; with the fake engine `gateway` and `fake_engine`) with a load generator (`load`, `client`),
all in processes of their own. `report` prints what came of it, with the `machine` that it was measured on.
"""
