"""Structural tags: free text until a trigger, then the tag's form."""

from __future__ import annotations

import json

import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import JsonSchema, Lark, Regex, StructuralTag, StructuralTags
from gateway.engine.grammar.errors import GrammarRefusedError
from gateway.engine.grammar.matcher import Matcher

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CALL = '<call>{"name":"weather","arguments":{"city":"Rome"}}</call>'
SUM = "<call>sum(12)</call>"


def tag(name: str = "weather") -> StructuralTag:
    begin = f'<call>{{"name":"{name}","arguments":'
    return StructuralTag(trigger="<call>", begin=begin, content=JsonSchema(json.dumps(CITY)), end="}</call>")


TAGS = (tag(), StructuralTag(trigger="<call>", begin="<call>sum(", content=Regex("[0-9]+/?"), end=")</call>"))


def taken(compiler: GrammarCompiler, constraint: StructuralTags, text: str) -> tuple[int, bool]:
    """How much of a text the grammar takes, and whether it may end there."""
    matcher = compiler.compile(constraint)
    tokens = compiler._tokenizer.tokenize_str(text, parse_special=True)
    count = matcher.validate(tokens)
    for token in tokens[:count]:
        matcher.consume(token)
    return count, matcher.accepting


@pytest.mark.parametrize(
    "text",
    ["", "Hello <b>you</b> {", f"Let me see. {CALL}", f"{CALL}{SUM}", f"{SUM} and {CALL} done"],
)
def test_free_text_and_calls(compiler: GrammarCompiler, text: str) -> None:
    """A call may come anywhere, and none has to."""
    assert taken(compiler, StructuralTags(TAGS), text) == (len(text), True)


@pytest.mark.parametrize(
    "text",
    ["a <call>nothing", '<call>{"name":"other"', '<call>{"name":"weather","arguments":{"town"'],
)
def test_once_a_call_is_opened_its_form_is_kept(compiler: GrammarCompiler, text: str) -> None:
    """The trigger's text cannot be said as mere text."""
    count, accepting = taken(compiler, StructuralTags(TAGS), text)
    assert text.index("<call>") + len("<call>") <= count < len(text)
    assert not accepting


def test_begin_is_forced_after_the_trigger(compiler: GrammarCompiler) -> None:
    """With one tool only, its name need not be sampled."""
    matcher: Matcher = compiler.compile(StructuralTags((tag(),)))
    for token in b"Well: <call>":
        matcher.consume(token)
    assert bytes(matcher.forced_tokens()) == b'{"name":"weather","arguments":{"city":"'


def test_required_tags_come_at_once(compiler: GrammarCompiler) -> None:
    """Without text, with the separator between two."""
    required = StructuralTags((tag(),), required=True, separator="\n")
    assert bytes(compiler.compile(required).forced_tokens()).startswith(b"<call>")
    assert taken(compiler, required, CALL) == (len(CALL), True)
    assert taken(compiler, required, f"{CALL}\n{CALL}") == (2 * len(CALL) + 1, True)
    assert taken(compiler, required, f"{CALL} and")[0] == len(CALL)
    assert taken(compiler, required, "")[1] is False


@pytest.mark.parametrize("required", [False, True])
def test_a_single_tag_ends_the_answer(compiler: GrammarCompiler, required: bool) -> None:
    """Where several are not wanted."""
    single = StructuralTags(TAGS, required=required, several=False)
    assert taken(compiler, single, CALL) == (len(CALL), True)
    assert taken(compiler, single, CALL + CALL)[0] == len(CALL)
    assert taken(compiler, single, "Only text.")[1] is not required


def test_a_tag_s_content_may_be_a_grammar(compiler: GrammarCompiler) -> None:
    """As for calls that are no JSON."""
    content = Lark('start: "<parameter=" /[a-z]+/ ">" /[^<]*/ "</parameter>"')
    one = StructuralTag(trigger="<function", begin="<function=f>", content=content, end="</function>")
    text = "so: <function=f><parameter=x>1</parameter></function>"
    assert taken(compiler, StructuralTags((one, *TAGS)), text) == (len(text), True)


@pytest.mark.parametrize("required", [False, True])
def test_a_trigger_that_is_one_token(
    demo_compiler: GrammarCompiler,
    demo_tokenizer: LLTokenizer,
    required: bool,
) -> None:
    """It is that token, and the same letters are not."""
    one = StructuralTag(
        trigger="<|im_start|>",
        begin="<|im_start|>tool ",
        content=JsonSchema(json.dumps(CITY)),
        end="!",
    )
    constraint = StructuralTags((one,), required=required)
    matcher = demo_compiler.compile(constraint)
    trigger = demo_tokenizer.tokenize_str("<|im_start|>", parse_special=True)
    assert len(trigger) == 1
    if not required:
        letters = demo_tokenizer.tokenize_str("x <|im_start|> y")
        assert matcher.validate(letters) == len(letters)
    assert matcher.validate(trigger) == 1
    matcher.consume(trigger[0])
    assert demo_tokenizer.decode_str(matcher.forced_tokens()).startswith('tool {"city')


@pytest.mark.parametrize(
    "constraint",
    [
        StructuralTags(()),
        StructuralTags((StructuralTag(trigger="", begin="x", content=Regex("a"), end=""),)),
        StructuralTags((StructuralTag(trigger="<a>", begin="<b>", content=Regex("a"), end=""),)),
        StructuralTags(
            (StructuralTag(trigger="<a>", begin="<a>", content=JsonSchema('{"not": {}}'), end=""),),
        ),
        StructuralTags((StructuralTag(trigger="<a>", begin="<a>", content=Lark("start: b"), end=""),)),
    ],
)
def test_bad_tags_are_refused(compiler: GrammarCompiler, constraint: StructuralTags) -> None:
    """With a reason."""
    with pytest.raises(GrammarRefusedError) as caught:
        compiler.compile(constraint)
    assert str(caught.value)
