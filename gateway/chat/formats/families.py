"""The table of formats. To add a family: write one call as its models write it, with holes
(`gateway.chat.formats.format`).

The order is that of the choice (`gateway.chat.formats.choose`): what has marks of its own stands before what
shares them.
"""

from __future__ import annotations

from gateway.chat.formats.format import Channels, Format, Span, Syntax

THINK = Span("<think>", ("</think>",))

HARMONY = Format(
    "harmony",
    "gpt-oss",
    signs=(("<|channel|>", "<|message|>"),),
    channels=Channels(
        start="<|start|>",
        channel="<|channel|>",
        message="<|message|>",
        end="<|end|>",
        call_ends=("<|call|>", "<|end|>"),
        reasoning=("analysis",),
        recipient="functions.",
    ),
)

KIMI_K3 = Format(
    "kimi-k3",
    "Kimi K3",
    signs=(("<|open|>", "<|sep|>"),),
    reasoning=(Span("<|open|>think<|sep|>", ("<|close|>think<|sep|>", "<|open|>response<|sep|>")),),
    calls=(
        Syntax(
            '<|open|>call tool="{name}" index="{id}"<|sep|>{}{parameters}{}<|close|>call<|sep|>',
            '<|open|>argument key="{key}" type="{type}"<|sep|>{value}<|close|>argument<|sep|>',
            escaped=True,
        ),
    ),
    sections=(Span("<|open|>tools<|sep|>", ("<|close|>tools<|sep|>",)),),
    ignored=("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
)

_K2 = "{name}:{id}{}<|tool_call_argument_begin|>{}{arguments}{}<|tool_call_end|>"

KIMI_K2 = Format(
    "kimi-k2",
    "Kimi K2",
    signs=(("<|tool_calls_section_begin|>",),),
    reasoning=(THINK,),
    calls=(
        Syntax(f"<|tool_call_begin|>functions.{_K2}"),
        Syntax(f"<|tool_call_begin|>{_K2}", lenient=True),
    ),
    sections=(Span("<|tool_calls_section_begin|>", ("<|tool_calls_section_end|>",)),),
)

_DSML = '<｜DSML｜parameter name="{key}" string="{type}">{value}</｜DSML｜parameter>\n'
_DSML_41 = '<｜DSML｜ parameter name="{key}" string="{type}">{value}</｜DSML｜ parameter>\n'

DEEPSEEK_DSML = Format(
    "deepseek-dsml",
    "DeepSeek V3.2, V4",
    signs=(("｜DSML｜",),),
    reasoning=(THINK,),
    calls=(
        Syntax('<｜DSML｜invoke name="{name}"/>', lenient=True),
        Syntax('<｜DSML｜invoke name="{name}">\n{parameters}</｜DSML｜invoke>', _DSML),
        Syntax('<｜DSML｜ invoke name="{name}"/>', lenient=True),
        Syntax('<｜DSML｜ invoke name="{name}">\n{parameters}</｜DSML｜ invoke>', _DSML_41),
    ),
    between="\n",
    sections=(
        Span("<｜DSML｜function_calls>", ("</｜DSML｜function_calls>",)),
        Span("<｜DSML｜tool_calls>", ("</｜DSML｜tool_calls>",)),
        Span("<｜DSML｜ calls>", ("</｜DSML｜ calls>",)),
    ),
)

DEEPSEEK = Format(
    "deepseek",
    "DeepSeek V3, R1, V3.1",
    signs=(("<｜tool▁calls▁begin｜>",), ("<｜Assistant｜>",)),
    reasoning=(THINK,),
    calls=(
        Syntax(
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```{}<｜tool▁call▁end｜>"
        ),
        Syntax("<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{}{arguments}{}<｜tool▁call▁end｜>"),
    ),
    sections=(Span("<｜tool▁calls▁begin｜>", ("<｜tool▁calls▁end｜>",)),),
)

GEMMA = Format(
    "gemma",
    "Gemma 4",
    signs=(("<|tool_call>",),),
    reasoning=(Span("<|channel>thought", ("<channel|>",)),),
    calls=(Syntax("<|tool_call>call:{name}{object}{}<tool_call|>"),),
)

MISTRAL = Format(
    "mistral",
    "Mistral, Ministral, Magistral, Devstral",
    signs=(("[TOOL_CALLS]",), ("[AVAILABLE_TOOLS]",)),
    reasoning=(Span("[THINK]", ("[/THINK]",)), THINK),
    calls=(
        Syntax("[TOOL_CALLS]{}{calls}"),
        Syntax("[TOOL_CALLS]{name}[CALL_ID]{id}[ARGS]{}{arguments}", lenient=True),
        Syntax("[TOOL_CALLS]{name}[ARGS]{}{arguments}"),
        Syntax("[TOOL_CALLS]{name}{}{arguments}", lenient=True),
    ),
)

COMMAND = Format(
    "command",
    "Command R7B, Command A",
    signs=(("<|START_ACTION|>",),),
    reasoning=(Span("<|START_THINKING|>", ("<|END_THINKING|>",)),),
    calls=(
        Syntax(
            "<|START_ACTION|>{}{calls}{}<|END_ACTION|>",
            name_key="tool_name",
            arguments_key="parameters",
        ),
    ),
    ignored=("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
)

GLM = Format(
    "glm",
    "GLM 4.5 and later",
    signs=(("<arg_key>",),),
    reasoning=(THINK,),
    calls=(
        Syntax(
            "<tool_call>{name}{}{parameters}{}</tool_call>",
            "<arg_key>{key}</arg_key>{}<arg_value>{value}</arg_value>",
        ),
    ),
)

QWEN_XML = Format(
    "qwen-xml",
    "Qwen3-Coder, Qwen3.5 and later",
    signs=(("<function=", "<parameter="),),
    reasoning=(THINK,),
    calls=(
        Syntax(
            "<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>",
            "<parameter={key}>\n{value}\n</parameter>\n",
        ),
        Syntax(
            "<function={name}>\n{parameters}</function>",
            "<parameter={key}>\n{value}\n</parameter>\n",
            lenient=True,
        ),
    ),
    between="\n",
    trailing=("</tool_call>",),
    calls_in_reasoning=True,
)

GRANITE = Format(
    "granite",
    "Granite 3",
    signs=(("<|tool_call|>",),),
    reasoning=(THINK,),
    calls=(Syntax("<|tool_call|>{}{calls}"),),
)

HERMES = Format(
    "hermes",
    "Qwen2.5, Qwen3, Granite 4, Hermes",
    signs=(("<tool_call>",),),
    reasoning=(THINK,),
    calls=(Syntax("<tool_call>\n{call}\n</tool_call>"),),
    between="\n",
)

LLAMA_4 = Format(
    "llama4",
    "Llama 4",
    signs=(("<|python_start|>",), ("<|header_start|>",)),
    reasoning=(THINK,),
    calls=(Syntax("<|python_start|>{}{pythonic}{}<|python_end|>"), Syntax("{pythonic}")),
)

LLAMA_3 = Format(
    "llama3",
    "Llama 3.1, 3.2, 3.3",
    signs=(("<|python_tag|>",), ("<|start_header_id|>",)),
    reasoning=(THINK,),
    calls=(
        Syntax("<|python_tag|>{}{call}", arguments_key="parameters", lenient=True),
        Syntax("{call}", arguments_key="parameters"),
    ),
    trailing=(";",),
)

GENERIC = Format(
    "generic",
    "any other: an answer that is a call in JSON, bare, in `<tool_call>` or in a code block",
    reasoning=(THINK,),
    calls=(
        Syntax("<tool_call>\n{calls}\n</tool_call>"),
        Syntax("```json\n{calls}\n```", guess=True),
        Syntax("{calls}"),
    ),
)

FORMATS = (
    HARMONY,
    KIMI_K3,
    KIMI_K2,
    DEEPSEEK_DSML,
    DEEPSEEK,
    GEMMA,
    MISTRAL,
    COMMAND,
    GLM,
    QWEN_XML,
    GRANITE,
    HERMES,
    LLAMA_4,
    LLAMA_3,
    GENERIC,
)
