/* What things are called: groups of event kinds, exceptions, numbers with their units. */

const NO_CORE = 255;
const NO_VECTOR = 256;

/* Each kind belongs to one group, which can be hidden. `track` is the height in a lane: 0 what the
   core met, 1 interrupts, 2 devices; a group without track is drawn as bars. */
const GROUPS = [
  { id: "slices", label: "Slices", color: "slice", kinds: ["slice_begin", "slice_end"] },
  { id: "halts", label: "Halted", color: "halt", kinds: ["halt", "wake"] },
  { id: "handlers", label: "Handlers", color: "handler", kinds: ["interrupt_delivered"] },
  { id: "functions", label: "Functions", color: "function", kinds: [] },
  { id: "ipis", label: "IPIs", color: "ipi", track: 1, kinds: ["ipi_sent", "init", "start_up", "nmi", "smi"] },
  { id: "raised", label: "Raised", color: "raised", track: 1, kinds: ["interrupt_raised", "interrupt_accepted", "interrupt_merged"] },
  { id: "timers", label: "Timers", color: "timer", track: 1, kinds: ["timer_fired", "timer_programmed"] },
  { id: "eois", label: "EOIs", color: "eoi", track: 1, kinds: ["eoi", "eoi_broadcast"] },
  { id: "exceptions", label: "Exceptions", color: "exception", track: 0, kinds: ["exception"] },
  { id: "software", label: "INT n", color: "software", track: 0, kinds: ["software_interrupt"] },
  { id: "modes", label: "Modes", color: "mode", track: 0, kinds: ["mode", "control_register_write", "msr_read", "msr_write", "code_invalidated", "a20"] },
  { id: "console", label: "Console", color: "console", track: 0, kinds: ["console", "exit", "reset"] },
  { id: "devices", label: "Devices", color: "device", track: 2, kinds: ["port_read", "port_write", "mmio_read", "mmio_write"] },
];
const GROUP_OF_KIND = new Map(GROUPS.flatMap((group) => group.kinds.map((kind) => [kind, group])));

const EXCEPTIONS = {
  0: "#DE divide error", 1: "#DB debug", 3: "#BP breakpoint", 4: "#OF overflow", 5: "#BR bound range",
  6: "#UD invalid opcode", 7: "#NM no FPU", 8: "#DF double fault", 10: "#TS invalid TSS",
  11: "#NP not present", 12: "#SS stack fault", 13: "#GP general protection", 14: "#PF page fault",
  16: "#MF FPU error", 17: "#AC alignment", 18: "#MC machine check", 19: "#XM SIMD",
};
const DECIMAL_VALUES = new Set(["slice_begin", "slice_end", "timer_programmed", "code_invalidated"]);

const hex = (number) => "0x" + number.toString(16);
const count = (number) => Math.round(number).toLocaleString("en-US");
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

/* Virtual time with a unit; `digits` behind the point at most. */
function time(ticks, digits = 3) {
  const size = Math.abs(ticks);
  const [divisor, unit] = size < 1e3 ? [1, "ns"] : size < 1e6 ? [1e3, "µs"] : size < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${(ticks / divisor).toLocaleString("en-US", { maximumFractionDigits: digits })} ${unit}`;
}

const coreName = (core) => (core === NO_CORE ? "machine" : `core ${core}`);
const vectorName = (vector) => `vector ${vector} (${hex(vector)})`;

/* The handler of an event, short enough for a bar. */
function handlerName(kind, vector) {
  if (kind === "exception") return EXCEPTIONS[vector] ?? `exception ${vector}`;
  return kind === "software_interrupt" ? `INT ${hex(vector)}` : `interrupt ${hex(vector)}`;
}

/* Hue of a function's bars: the same name has the same colour in every page. */
function hueOf(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return (hash >>> 0) % 360;
}
