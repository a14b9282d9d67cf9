"""The prefix cache's files on the real model: after a restart, damaged, in the way, and cleared beside a
gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from gateway.cli.main import main
from tests.e2e.museum import SYSTEM, ask, files, follow, user
from tests.e2e.serving import Served, until


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_chat_goes_on_after_a_restart(launch: Callable[..., Served], how: str) -> None:
    """SIGTERM writes what only memory had; after `kill -9` what had been idle for a moment is there too."""
    served = launch("--engine-n-ctx", "2048").start()
    first = [SYSTEM, user("Which room is the largest?")]
    answer = ask(served, first)
    if how == "kill":
        until(lambda: list(files(served.home)), 15, "the chat's file")
        served.kill()
    else:
        assert served.stop() == 0
    again = launch("--engine-n-ctx", "2048").start()
    found = ask(again, follow(first, answer, "And the smallest?"))
    assert (found["cache_source"], found["cache_reason"]) == ("disk", "appended")
    assert found["prompt_n"] < 30
    assert again.stop() == 0


def test_a_damaged_file_is_discarded(launch: Callable[..., Served]) -> None:
    """One flipped byte: the file is counted and removed, the prompt is computed, the answer is the same."""
    served = launch("--engine-n-ctx", "2048").start()
    first = [SYSTEM, user("Which room is the largest?")]
    answer = ask(served, first)
    assert served.stop() == 0
    [path] = files(served.home)
    data = bytearray(path.read_bytes())
    data[-1000] ^= 0xFF
    path.write_bytes(data)
    again = launch("--engine-n-ctx", "2048").start()
    found = ask(again, first)
    assert (found["cache_n"], found["text"]) == (0, answer["text"])
    counted = (
        "firsttoken_prefix_cache_discarded_total"
        '{gen_ai_request_model="smollm2-135m-instruct",reason="corrupt"} 1'
    )
    until(lambda: counted in httpx.get(f"{again.base_url}/metrics").text, 10, "the count")
    until(lambda: not path.exists() or path.read_bytes() != data, 5, "the damaged file to go")
    assert again.stop() == 0


def test_the_same_prompt_twice_survives_a_restart(launch: Callable[..., Served]) -> None:
    """The second answer takes the first one's file over, and does not delete it."""
    served = launch("--engine-n-ctx", "2048").start()
    chat = [SYSTEM, user("Which room is the largest?")]
    ask(served, chat)
    until(lambda: list(files(served.home)), 15, "the chat's file")
    ask(served, chat)
    assert served.stop() == 0
    again = launch("--engine-n-ctx", "2048").start()
    assert ask(again, chat)["cache_source"] == "disk"
    assert again.stop() == 0


def test_a_model_is_served_without_a_folder_for_its_cache(launch: Callable[..., Served]) -> None:
    """A file is where the folder should be: the tier is off, the pages and the metrics say so, and
    requests are answered.
    """
    served = launch("--engine-n-ctx", "2048")
    (served.home / "cache").mkdir(parents=True)
    (served.home / "cache" / "prefix").write_text("in the way")
    served.start()
    first = [SYSTEM, user("Which room is the largest?")]
    answer = ask(served, first)
    assert ask(served, follow(first, answer, "And the smallest?"))["cache_source"] == "kv"
    counted = (
        "firsttoken_prefix_cache_discarded_total"
        '{gen_ai_request_model="smollm2-135m-instruct",reason="disk_off"} 1'
    )
    until(lambda: counted in httpx.get(f"{served.base_url}/metrics").text, 10, "the count")
    assert "no disk tier now" in httpx.get(f"{served.base_url}/dashboard/cache").text
    assert served.stop() == 0


def test_keys_are_cleared_beside_a_running_gateway(
    launch: Callable[..., Served], capsys: pytest.CaptureFixture[str]
) -> None:
    """What its engine uses stays and is found after a restart; what another number of slots has left goes."""
    for slots in ("2", "3"):
        served = launch("--engine-n-ctx", "2048", "--engine-slots", slots).start()
        ask(served, [SYSTEM, user("Which room is the largest?")])
        if slots == "2":
            assert served.stop() == 0
    flags = ["--home", str(served.home), "--json"]
    assert main(["cache", "list", *flags]) == 0
    keys = json.loads(capsys.readouterr().out)["keys"]
    assert [(key["streams"], key["in_use"], key["foreign"]) for key in keys] == [
        (3, True, False),
        (2, False, True),
    ]
    assert main(["cache", "clear", "all", "--yes", *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cleared"], told["kept"]) == ([keys[1]["key"]], [keys[0]["key"]])
    assert served.stop() == 0
    again = launch("--engine-n-ctx", "2048", "--engine-slots", "3").start()
    assert ask(again, [SYSTEM, user("Which room is the largest?")])["cache_source"] == "disk"
    assert again.stop() == 0
