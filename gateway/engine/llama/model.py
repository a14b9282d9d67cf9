"""A GGUF model through llama.cpp: loading, metadata, tokens. No decoding here
(`gateway.engine.llama.backend`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt

from gateway.engine.control_text import ControlText, Strip
from gateway.engine.llama.buffers import watch_buffers
from gateway.engine.logits.logprobs import Scored
from gateway.engine.vocab_info import VocabInfo
from gateway.sampling import ChosenLogprob, TokenLogprob

LOAD_MODES = {
    "auto": llama.LLAMA_LOAD_MODE_AUTO,
    "none": llama.LLAMA_LOAD_MODE_NONE,
    "mmap": llama.LLAMA_LOAD_MODE_MMAP,
    "mlock": llama.LLAMA_LOAD_MODE_MLOCK,
    "mmap+mlock": llama.LLAMA_LOAD_MODE_MMAP_MLOCK,
}

CONTROL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN
"""Tokens that llama.cpp finds in a text only when it is told to."""

PIECE_BYTES = 256
"""Longer pieces are asked for again with the size that llama.cpp names."""


class ModelError(RuntimeError):
    """The model file cannot be served; the text says why and what to do."""


class LlamaModel:
    """Weights and vocabulary. Thread-safe once loaded: nothing here changes state."""

    def __init__(
        self, path: Path, *, gpu_layers: int, progress: Callable[[float], None], load_mode: str = "auto"
    ) -> None:
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.n_gpu_layers = gpu_layers if gpu_layers >= 0 else 2**31 - 1

        params.load_mode = LOAD_MODES[load_mode]

        @llama.llama_progress_callback  # type: ignore[untyped-decorator]
        def report(fraction: float, _data: object) -> bool:
            progress(fraction)
            return True

        params.progress_callback = report
        with watch_buffers() as buffers:
            model = llama.llama_model_load_from_file(str(path).encode(), params)
        if not model:
            raise ModelError(
                f"llama.cpp cannot load {path}: is it a complete GGUF file of a supported architecture? The"
                " log has details."
            )
        self.handle = model
        self.buffers: Mapping[str, int] = buffers
        self.vocab = llama.llama_model_get_vocab(model)
        self.n_vocab: int = llama.llama_vocab_n_tokens(self.vocab)
        self._pieces: dict[int, bytes] = {}
        self._sizes: npt.NDArray[np.int64] | None = None

    def metadata(self, key: str) -> str | None:
        """A value of the GGUF header as text."""
        buffer = ctypes.create_string_buffer(4096)
        length = llama.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if length >= 0 else None

    @property
    def chat_template(self) -> str | None:
        """The Jinja source from the model file."""
        source = llama.llama_model_chat_template(self.handle, None)
        return source.decode(errors="replace") if source else None

    @property
    def special_tokens(self) -> dict[str, str]:
        """Texts of the tokens with a role; those that the model lacks are left out."""
        roles = {
            "bos": llama.llama_vocab_bos(self.vocab),
            "eos": llama.llama_vocab_eos(self.vocab),
            "eot": llama.llama_vocab_eot(self.vocab),
            "pad": llama.llama_vocab_pad(self.vocab),
        }
        return {
            role: self._bytes(token, special=True).decode(errors="replace")
            for role, token in roles.items()
            if token >= 0
        }

    @property
    def vocab_info(self) -> VocabInfo:
        """What clients are told of the vocabulary."""
        kind, n_embd = llama.llama_vocab_type(self.vocab), llama.llama_model_n_embd(self.handle)
        return VocabInfo(int(kind), self.n_vocab, int(n_embd))

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of f16 keys and values per token over all layers."""
        heads = max(1, llama.llama_model_n_head(self.handle))
        head_size = llama.llama_model_n_embd(self.handle) // heads
        return int(
            2
            * 2
            * head_size
            * llama.llama_model_n_head_kv(self.handle)
            * llama.llama_model_n_layer(self.handle)
        )

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a rendered prompt: control tokens in it are recognised, but not those that a client
        wrote; BOS is added where the model wants it and the text does not begin with it already.
        """
        whole = not self.control_text.starts_with(text, self.special_tokens.get("bos", ""))
        parts = self.control_text.parts(text)
        if len(parts) == 1 and parts[0].control:
            return self.encode(text, add_special=whole, parse_special=True)
        tokens = [
            token
            for part in parts
            for token in self.encode(part.text, add_special=False, parse_special=part.control)
        ]
        return [*self._added("bos", whole), *tokens, *self._added("eos", whole)]

    def plain_tokens(self, text: str) -> list[int]:
        """The tokens of a text by itself, in which nothing is a control token."""
        return self.encode(text, add_special=False, parse_special=False)

    def read_vocabulary(self) -> None:
        """All that the first request would wait for."""
        self.sizes([])
        _ = self.end_tokens
        _ = self.control_text

    @cached_property
    def control_text(self) -> ControlText:
        """The control tokens of the vocabulary; reads all of it."""
        found = {}
        for token in range(self.n_vocab):
            attributes = llama.llama_vocab_get_attr(self.vocab, token)
            if attributes & CONTROL and (
                text := llama.llama_vocab_get_text(self.vocab, token).decode(errors="replace")
            ):
                found[text] = Strip(
                    bool(attributes & llama.LLAMA_TOKEN_ATTR_LSTRIP),
                    bool(attributes & llama.LLAMA_TOKEN_ATTR_RSTRIP),
                )
        return ControlText(found)

    def _added(self, role: str, wanted: bool) -> list[int]:
        """The token that the model wants at that end of a text."""
        asks, token = {
            "bos": (llama.llama_vocab_get_add_bos, llama.llama_vocab_bos),
            "eos": (llama.llama_vocab_get_add_eos, llama.llama_vocab_eos),
        }[role]
        return [int(token(self.vocab))] if wanted and asks(self.vocab) and token(self.vocab) >= 0 else []

    def encode(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text, with the special tokens that the model puts around one, and with those in it
        recognised.
        """
        data = text.encode("utf-8", errors="replace")
        tokens = np.empty(len(data) + 8, dtype=np.int32)
        pointer = tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        count = llama.llama_tokenize(
            self.vocab, data, len(data), pointer, len(tokens), add_special, parse_special
        )
        if count < 0:
            raise ModelError("the prompt has more tokens than bytes; this tokenizer is not supported")
        return list(map(int, tokens[:count].tolist()))

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for control tokens."""
        if token not in self._pieces:
            self._pieces[token] = self._bytes(token, special=False)
        return self._pieces[token]

    def sizes(self, tokens: list[int]) -> npt.NDArray[np.int64]:
        """Bytes of each token as it stands in a rendered prompt, control tokens by their names."""
        if self._sizes is None:
            self._sizes = np.array(
                [len(self._bytes(token, special=True)) for token in range(self.n_vocab)], dtype=np.int64
            )
        return self._sizes[np.array(tokens, dtype=np.int64)]

    def chosen_logprob(self, scored: Scored) -> ChosenLogprob:
        """A scored token and its alternatives, with what they stand for."""
        top = tuple(self._logprob(token, logprob) for token, logprob in scored.top)
        return ChosenLogprob(self._logprob(scored.token, scored.logprob), top)

    def _logprob(self, token: int, logprob: float) -> TokenLogprob:
        piece = self.piece(token)
        name = "" if piece else self._bytes(token, special=True).decode(errors="replace")
        return TokenLogprob(token, logprob, piece, name)

    @cached_property
    def end_tokens(self) -> list[int]:
        """Every token that ends generation, the vocabulary's own first; reads all of it."""
        ends = [token for token in range(self.n_vocab) if self.is_end(token)]
        return sorted(ends, key=lambda token: token != llama.llama_vocab_eos(self.vocab))

    @cached_property
    def n_ctx_train(self) -> int:
        """Tokens of the longest text that the model was trained with."""
        return int(llama.llama_model_n_ctx_train(self.handle))

    def is_end(self, token: int) -> bool:
        """True where a token ends generation."""
        return bool(llama.llama_vocab_is_eog(self.vocab, token))

    def _bytes(self, token: int, *, special: bool) -> bytes:
        size = PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama.llama_token_to_piece(self.vocab, token, buffer, size, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length
