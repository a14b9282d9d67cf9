// The playground's chat: sends to this gateway's own API, streams the answer into the page, and says what it took.
// Texts are only ever set as text, never as markup.
"use strict";

(() => {
  const form = document.getElementById("playground");
  if (!form) return;
  const log = document.getElementById("chat"), template = document.getElementById("turn");
  const send = document.getElementById("send"), stop = document.getElementById("stop"), message = form.elements.namedItem("message");
  let history = [], conversation = newConversation(), running = null;

  function newConversation() {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return "playground-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const number = (value, digits) => value.toLocaleString("en-US", { maximumFractionDigits: digits });
  const known = (value, form) => (value === null || value === undefined ? "not measured" : form(value));
  const ms = (value) => known(value, (v) => (v >= 1000 ? `${number(v / 1000, 2)} s` : `${number(v, v < 100 ? 1 : 0)} ms`));
  const rate = (value) => known(value, (v) => `${number(v, 1)} tokens/s`);
  const count = (value) => known(value, (v) => number(v, 0));

  function facts(t) {
    return [
      ["first token", ms(t.ttft_ms)], ["queue", ms(t.queue_ms)], ["prompt", `${count(t.prompt_n)} computed, ${count(t.cache_n)} cached`],
      ["prompt rate", rate(t.prompt_per_second)], ["answer", known(t.predicted_n, (n) => `${count(n)} tokens`)], ["output rate", rate(t.predicted_per_second)],
      ["total", ms(t.total_ms)], ["cache", known(t.cache_reason, (reason) => reason.replaceAll("_", " "))],
    ];
  }

  function body() {
    const field = (name) => form.elements.namedItem(name).value.trim();
    const system = field("system");
    const request = {
      model: field("model"), stream: true, stream_options: { include_usage: true }, metadata: { conversation_id: conversation },
      messages: [...(system ? [{ role: "system", content: system }] : []), ...history],
    };
    for (const name of ["max_tokens", "temperature"]) if (field(name)) request[name] = Number(field(name));
    return request;
  }

  function addTurn(text) {
    const turn = template.content.firstElementChild.cloneNode(true);
    turn.querySelector(".asked").textContent = text;
    log.append(turn);
    turn.scrollIntoView({ block: "nearest" });
    return turn;
  }

  function tell(turn, words, bad) {
    const state = turn.querySelector(".state");
    state.textContent = words;
    state.classList.toggle("bad", bad);
    state.hidden = !words;
  }

  function show(turn, timings) {
    const list = turn.querySelector("dl");
    for (const [name, value] of facts(timings)) {
      const row = document.createElement("div"), term = document.createElement("dt"), shown = document.createElement("dd");
      term.textContent = name;
      shown.textContent = value;
      row.append(term, shown);
      list.append(row);
    }
    list.hidden = false;
  }

  function link(turn, requestId) {
    if (!requestId) return;
    const anchor = turn.querySelector("a");
    anchor.href = `/dashboard/requests/${encodeURIComponent(requestId)}`;
    anchor.hidden = false;
  }

  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const data = frame.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
        if (data && data !== "[DONE]") yield JSON.parse(data);
      }
    }
  }

  async function ask(turn, signal) {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body()), signal };
    const response = await fetch("/v1/chat/completions", options);
    link(turn, response.headers.get("x-request-id"));
    if (!response.ok) {
      const answer = await response.json().catch(() => ({}));
      throw new Error(answer.error?.message || `The gateway answered ${response.status}.`);
    }
    const answered = turn.querySelector(".answered");
    for await (const chunk of events(response)) {
      if (chunk.error) throw new Error(chunk.error.message);
      answered.textContent += chunk.choices?.[0]?.delta?.content ?? "";
      if (chunk.timings) show(turn, chunk.timings);
      tell(turn, "", false);
    }
    return answered.textContent;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = message.value.trim();
    if (running || !text) return;
    const turn = addTurn(text), asked = { role: "user", content: text };
    history.push(asked);
    running = new AbortController();
    send.disabled = true;
    stop.hidden = false;
    tell(turn, "waiting for the first token …", false);
    try {
      history.push({ role: "assistant", content: await ask(turn, running.signal) });
      message.value = "";
    } catch (error) {
      history = history.filter((said) => said !== asked);
      tell(turn, error.name === "AbortError" ? "Stopped. It is not part of the chat." : `${error.message}`, error.name !== "AbortError");
    }
    running = null;
    send.disabled = false;
    stop.hidden = true;
    message.focus();
  });

  stop.addEventListener("click", () => running?.abort());
  form.addEventListener("reset", () => {
    running?.abort();
    history = [];
    conversation = newConversation();
    log.replaceChildren();
  });
})();
