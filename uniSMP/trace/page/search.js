/* Search: events and functions that fit all words of a query.

   A word is part of a name (symbol, kind, source, mode, text), or a number: an address or value in
   hexadecimal with 0x, or a vector. `kind:`, `symbol:`, `vector:`, `core:`, `address:` say which. */

const SEARCHED = { kind: ["kind"], symbol: [], source: ["source"], address: ["rip", "address", "cr2"], detail: ["detail", "mode"], value: ["value"] };

class Finder {
  constructor(model) {
    this.model = model;
    this.clear();
  }

  clear() {
    this.items = [];
    this.times = { step: new Float64Array(0), ticks: new Float64Array(0) };
    this.current = -1;
  }

  /* Find; items are sorted by time. */
  find(query) {
    this.clear();
    const words = query.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return;
    const tests = words.map((word) => this.testOf(word));
    const { model } = this, found = [];
    for (let i = 0; i < model.size; i++) {
      if (tests.every((test) => test.event(i))) found.push({ what: "event", ref: i });
    }
    for (let i = 0; i < model.spans.step.length; i++) {
      if (tests.every((test) => test.span(i))) found.push({ what: "function", ref: i });
    }
    const at = (item, axis) => (item.what === "event" ? model.at(item.ref, axis) : axis === "step" ? model.spans.step[item.ref] : model.ticksOf(model.spans.step[item.ref], false));
    this.items = found.sort((a, b) => at(a, "step") - at(b, "step"));
    for (const axis of ["step", "ticks"]) this.times[axis] = Float64Array.from(this.items, (item) => at(item, axis));
  }

  /* What a word means: a test for events and one for spans. */
  testOf(word) {
    const [, field, text] = /^(kind|symbol|vector|core|address|value|source|detail):(.+)$/.exec(word) ?? [null, null, word];
    const number = /^(0x[0-9a-f]+|[0-9]+)$/.test(text) ? BigInt(text) : null;
    const { events, spans, functions } = this.model;
    if (field === "core") return { event: (i) => events.core[i] === Number(text), span: (i) => spans.core[i] === Number(text) };
    const isVector = number === null || (field && field !== "vector") ? () => false : (i) => BigInt(events.vector[i]) === number && events.vector[i] !== NO_VECTOR;
    if (field === "vector") return { event: isVector, span: () => false };
    const columns = Object.keys(SEARCHED).filter((name) => !field || name === field);
    const names = columns.flatMap((name) => SEARCHED[name]);
    const fitting = names.map((name) => this.fitting(events[name], text, number, ["rip", "address", "cr2", "value"].includes(name)));
    const wantsSymbol = columns.includes("symbol") && number === null;
    const symbols = wantsSymbol ? this.fittingSymbols(text) : null;
    const functionFits = functions.map((name) => wantsSymbol && name.toLowerCase().includes(text));
    const wanted = number === null ? null : `0x${number.toString(16)}`;
    return {
      event: (i) => isVector(i) || fitting.some(({ column, fits }) => fits[column.numbers[i]]) || (symbols !== null && symbols[events.rip.numbers[i]] === 1),
      span: (i) => functionFits[spans.function[i]] || (wanted !== null && columns.includes("address") && spans.rip.of(i) === wanted),
    };
  }

  /* Which words of a column fit, by number. */
  fitting(column, text, number, isNumeric) {
    const wanted = number === null ? null : `0x${number.toString(16)}`;
    const fits = Uint8Array.from(column.words, (word) => {
      if (word === null) return 0;
      if (isNumeric) return Number(wanted !== null && text.startsWith("0x") && word === wanted);
      const low = word.toLowerCase();
      return Number(low.includes(text) || low.replaceAll("_", " ").includes(text));
    });
    return { column, fits };
  }

  fittingSymbols(text) {
    const { model } = this, fits = new Uint8Array(model.events.rip.words.length);
    for (let i = 1; i < fits.length; i++) fits[i] = Number((model.symbolOfRip.of(i - 1) ?? "").toLowerCase().includes(text));
    return fits;
  }

  /* The next match behind the last one shown, or from a place; `by` is 1 or -1. */
  step(by, axis, from) {
    const { length } = this.items;
    if (!length) return null;
    if (this.current < 0) this.current = by > 0 ? search(this.times[axis], from) % length : (search(this.times[axis], from) - 1 + length) % length;
    else this.current = (this.current + by + length) % length;
    return this.items[this.current];
  }
}
