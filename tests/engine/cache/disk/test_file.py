"""One file of the disk tier: it is as it was written, or it is refused, whatever happened to it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.cache.disk.file import (
    HEADER_BYTES,
    LENGTH,
    MAGIC,
    MAX_HEADER_BYTES,
    DamagedError,
    DiskKey,
    Header,
    _checksum,
    file_bytes,
    make_header,
    read_file,
    read_head,
    write_file,
)
from tests.engine.cache.caches import KEY, OTHER_BUILD, prompt, state

TOKENS, LARGE = prompt(1, 40), np.arange(40) % 3 == 0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache") / "x.kv"
    write_file(path, make_header(KEY, "sql", TOKENS, LARGE, state(), pinned=False), TOKENS, LARGE, state())
    return path


def head_bytes(path: Path) -> int:
    """Bytes before the state."""
    return path.stat().st_size - state().nbytes


def test_it_comes_back_as_it_was(written: Path) -> None:
    """Header, tokens, kernels, state; nothing half written is left beside it."""
    header, tokens, batched_kernel_mask = read_head(written, KEY)
    assert (header.namespace, header.tokens, header.state_bytes) == ("sql", 40, 1000)
    assert np.array_equal(tokens, TOKENS)
    assert np.array_equal(batched_kernel_mask, LARGE)
    assert np.array_equal(read_file(written, KEY), state())
    assert list(written.parent.iterdir()) == [written]


def test_any_byte_before_the_state_is_checked_at_the_start(written: Path, tmp_path: Path) -> None:
    """Each byte of magic word, length, checksum, header, tokens and kernels, inverted: refused, without
    reading the state.
    """
    data, path = written.read_bytes(), tmp_path / "y.kv"
    for at in range(head_bytes(written)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(DamagedError):
            read_head(path, KEY)


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, 10_000), value=st.integers(1, 255))
def test_any_byte_at_all_is_checked_when_it_is_read(written: Path, at: int, value: int) -> None:
    """Whatever is flipped in it: refused."""
    data = bytearray(written.read_bytes())
    data[at % len(data)] ^= value
    path = written.with_name("z.damaged")
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        read_file(path, KEY)
    path.unlink()


def test_any_length_is_refused_but_its_own(written: Path, tmp_path: Path) -> None:
    """Cut after each byte before the state, and in it; or longer than it was."""
    data, path = written.read_bytes(), tmp_path / "y.kv"
    for size in [*range(head_bytes(written) + 2), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(DamagedError):
            read_head(path, KEY)
    path.write_bytes(data + b"x")
    with pytest.raises(DamagedError):
        read_head(path, KEY)


@pytest.mark.parametrize("field", ["tokens", "state_bytes"])
@pytest.mark.parametrize("value", [-1, 0, 41, 999, 2**31, 2**62, 2**63, 2**64])
def test_no_number_is_believed_before_the_file_is_as_long(
    written: Path, tmp_path: Path, field: str, value: int
) -> None:
    """Even under a right checksum a length allocates nothing that the file does not have."""
    header, tokens, batched_kernel_mask = read_head(written, KEY)
    encoded = msgspec.json.encode(msgspec.to_builtins(header) | {field: value})
    path = tmp_path / "y.kv"
    path.write_bytes(
        MAGIC
        + LENGTH.pack(len(encoded))
        + _checksum(encoded)
        + encoded
        + tokens.tobytes()
        + batched_kernel_mask.tobytes()
        + state().tobytes()
    )
    with pytest.raises(DamagedError):
        read_head(path, KEY)


@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=200), length=st.integers(0, 2**32 - 1))
def test_any_bytes_are_refused(written: Path, data: bytes, length: int) -> None:
    """Garbage, with or without the magic word."""
    path = written.with_name("garbage")
    for start in (b"", MAGIC, MAGIC + LENGTH.pack(length), MAGIC + LENGTH.pack(len(data)) + _checksum(data)):
        path.write_bytes(start + data)
        with pytest.raises(DamagedError):
            read_head(path, KEY)
    path.unlink()


def test_another_key_and_another_version_are_foreign(written: Path, tmp_path: Path) -> None:
    """They are not called damaged: somebody else can read them."""
    with pytest.raises(DamagedError, match="foreign"):
        read_head(written, OTHER_BUILD)
    assert read_head(written, None)[0].key == KEY
    old = tmp_path / "old.kv"
    old.write_bytes(b"FTKV1\n" + written.read_bytes()[6:])
    with pytest.raises(DamagedError, match="foreign"):
        read_head(old, KEY)


def test_what_is_not_there_is_unreadable(tmp_path: Path) -> None:
    """A missing file, and a folder in its place."""
    for path in (tmp_path / "missing.kv", tmp_path):
        with pytest.raises(DamagedError, match="unreadable"):
            read_file(path, KEY)


def test_keys_have_folders_of_their_own() -> None:
    """Any field makes another one, below the model's."""
    keys = [
        KEY,
        *(
            msgspec.structs.replace(KEY, **change)
            for change in ({"build": "b"}, {"kv_type_k": "q8_0"}, {"streams": 1})
        ),
    ]
    folders = {key.folder(Path("/root")) for key in keys}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {Path("/root") / KEY.model_digest[:16]}
    assert isinstance(keys[1], DiskKey)


def test_a_header_fits() -> None:
    """What is read of a file is bounded; the longest header of ours, with the build's whole name, is below
    what is allowed for.
    """
    key = msgspec.structs.replace(KEY, build="llama-cpp-python 0.3.36.post1+cpu (llama.cpp 1234.abcdef0)" * 2)
    header = make_header(key, "f" * 64, TOKENS, LARGE, state(), pinned=True)
    assert isinstance(header, Header)
    assert len(msgspec.json.encode(header)) < HEADER_BYTES < MAX_HEADER_BYTES


def test_a_file_is_no_larger_than_was_reckoned(written: Path) -> None:
    """So that there is room for it before it is written."""
    assert written.stat().st_size <= file_bytes(40, state()) <= written.stat().st_size + HEADER_BYTES
