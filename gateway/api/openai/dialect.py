"""OpenAI's API as a dialect: chat completions, embeddings, reranking (as llama-server has it) and models."""

from __future__ import annotations

from gateway.api.dialect import Dialect, Endpoint
from gateway.api.openai.answer_schema import ChatCompletion, ChatCompletionChunk
from gateway.api.openai.chat_parse import parse_chat
from gateway.api.openai.chat_schema import ChatRequest
from gateway.api.openai.completion_schema import Completion, CompletionRequest
from gateway.api.openai.completions import parse_completion
from gateway.api.openai.embedding_schema import EmbeddingList, EmbeddingRequest, Ranking, RerankRequest
from gateway.api.openai.embeddings import parse_embeddings, parse_rerank
from gateway.api.openai.errors import ErrorEnvelope, envelope, frame
from gateway.api.openai.models import get_model, list_models
from gateway.api.openai.streams import list_streams, stream

CHAT = Endpoint(
    path="/v1/chat/completions",
    api="chat.completions",
    operation_id="createChatCompletion",
    tag="chat",
    summary="ChatCompletions",
    parse=parse_chat,
    request=ChatRequest,
    answers={"application/json": ChatCompletion, "text/event-stream": ChatCompletionChunk},
    about_answer="The answer, or a stream of chunks when `stream` is true",
)

COMPLETIONS = Endpoint(
    path="/v1/completions",
    api="completions",
    operation="text_completion",
    operation_id="createCompletion",
    tag="completions",
    summary="Completions",
    parse=parse_completion,
    request=CompletionRequest,
    answers={"application/json": Completion, "text/event-stream": Completion},
    about_answer="The answer, or a stream of frames when `stream` is true",
)

EMBEDDINGS = Endpoint(
    path="/v1/embeddings",
    api="embeddings",
    operation="embeddings",
    operation_id="createEmbedding",
    tag="embeddings",
    summary="Embeddings",
    parse=parse_embeddings,
    request=EmbeddingRequest,
    answers={"application/json": EmbeddingList},
)

RERANK = Endpoint(
    path="/v1/rerank",
    api="rerank",
    operation="embeddings",
    operation_id="createRerank",
    tag="embeddings",
    summary="Rerank",
    parse=parse_rerank,
    request=RerankRequest,
    answers={"application/json": Ranking},
)

OPENAI = Dialect(
    name="openai",
    prefixes=("/v1",),
    endpoints=(CHAT, COMPLETIONS, EMBEDDINGS, RERANK),
    routes=(list_models, get_model, stream, list_streams),
    error=envelope,
    error_schema=ErrorEnvelope,
    stream_error=frame,
)
