// Commands of chip.v and core.v; core.v says what a core does for each, chip.v what the chip does.
/* verilator lint_off UNUSEDPARAM */
localparam [3:0] CLEAR = 0, SPIKE = 1, STEP = 2, DRAW = 3, FADE = 4, ACCUMULATE = 5, MEASURE = 6, MOVE = 7;
localparam [3:0] FEEDBACK = 8, CREDIT = 9, TERM = 10, ADD = 11, ADD_BIAS = 12;
localparam [3:0] RUN = STEP, PERTURB = 13, REPLAY = 14;
// What FADE, MEASURE and MOVE act on: synapses, biases, or the copy of the outgoing synapses.
localparam [1:0] SYNAPSES = 0, BIASES = 1, OUTGOING = 2;
// How a core learns: not at all, by low-rank noise, by event-aligned noise, by the delta rule.
localparam FIXED = 0, LOW_RANK = 1, ALIGNED = 2, DELTA = 3;
/* verilator lint_on UNUSEDPARAM */
