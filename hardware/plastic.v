// Synapses, or biases, that learn: for each a state (its value and fraction bits) and a direction.
//
//     fade     direction = direction - direction / 2^MOMENTUM_BITS, towards zero; all 0 without momentum
//     add      direction = direction + increment, of ADDS columns that stand side by side
//     measure  direction = no further than ±(2^31 - 1); total = sum of |direction|
//     moving   state = next_state, which the core works out (move.v) from state and direction, no further
//              than low .. high
//
// The core counts `row` and `column`; each acts on one number a clock, add on ADDS of them around `column`.
module plastic #(
    parameter [7:0] LAYER = 0,
    parameter BIAS = 0,  // 1: biases of a layer in one row, otherwise its synapses, a row a source
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter VALUE_BITS = 8,
    parameter FRACTION_BITS = 8,
    parameter MOMENTUM_BITS = 0,
    parameter SUM_BITS = 32,
    parameter WORD = 1,         // numbers of a word of memory: a power of two that divides COLUMNS
    parameter READS = 1,        // values that are read in one clock: 1, or WORD
    parameter ADDS = 1,         // increments that are added in one, likewise
    parameter COUNT_BITS = 1,   // of row and column
    parameter STATE_BITS = VALUE_BITS + FRACTION_BITS
) (
    input  wire                         clk,
    input  wire                         fade, add, measure, moving,
    input  wire [COUNT_BITS-1:0]        row, column,
    input  wire [ADDS*SUM_BITS-1:0]     increments,
    input  wire signed [STATE_BITS-1:0] next_state,
    output wire signed [STATE_BITS-1:0] state,
    output wire signed [STATE_BITS-1:0] low, high,
    output wire [READS*VALUE_BITS-1:0]  values,     // the states, rounded to nearest
    output wire signed [SUM_BITS-1:0]   direction,
    output wire signed [SUM_BITS-1:0]   measured,
    output reg  [63:0]                  total
);
    localparam WORDS = ROWS * COLUMNS / WORD;
    localparam AT_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam BESIDE_BITS = WORD > 1 ? $clog2(WORD) : 1;
    localparam signed [31:0] HALF = (1 << FRACTION_BITS) >> 1;
    localparam signed [31:0] LOW = -(1 << (STATE_BITS - 1));
    localparam signed [31:0] HIGH =
        (((1 << (VALUE_BITS - 1)) - 1) << FRACTION_BITS) + (HALF > 0 ? HALF - 1 : 0);

    reg [WORD*STATE_BITS-1:0] states     [0:WORDS-1];
    reg [WORD*SUM_BITS-1:0]   directions [0:WORDS-1];
    initial begin
        if (BIAS != 0) $readmemh({"bias_state_L", 8'h30 + LAYER, ".mem"}, states);
        else $readmemh({"state_L", 8'h30 + LAYER, ".mem"}, states);
        if (MOMENTUM_BITS > 0) $readmemh({"momentum_L", 8'h30 + LAYER, ".mem"}, directions);
    end

    wire [AT_BITS-1:0] at;
    address #(ROWS, COLUMNS / WORD, WORD, COUNT_BITS) place (
        .row(row), .column(column), .word(at)
    );
    wire [BESIDE_BITS-1:0] beside = BESIDE_BITS'(column & COUNT_BITS'(WORD - 1));
    wire [WORD*STATE_BITS-1:0] states_here = states[at];
    wire [WORD*SUM_BITS-1:0] directions_here = directions[at];
    assign low = LOW[STATE_BITS-1:0];
    assign high = HIGH[STATE_BITS-1:0];
    assign state = states_here[STATE_BITS*beside +: STATE_BITS];
    assign direction = directions_here[SUM_BITS*beside +: SUM_BITS];
    wire [ADDS*SUM_BITS-1:0] after;
    genvar i;
    generate
        for (i = 0; i < READS; i = i + 1) begin : reads
            wire signed [STATE_BITS-1:0] read = READS == 1 ? state : states_here[STATE_BITS*i +: STATE_BITS];
            wire signed [STATE_BITS:0] rounded = (STATE_BITS + 1)'(read) + (STATE_BITS + 1)'(HALF);
            assign values[VALUE_BITS*i +: VALUE_BITS] = rounded[FRACTION_BITS +: VALUE_BITS];
            wire unused = &{1'b0, rounded};
        end
        for (i = 0; i < ADDS; i = i + 1) begin : adders
            wire signed [SUM_BITS-1:0] held = ADDS == 1 ? direction : directions_here[SUM_BITS*i +: SUM_BITS];
            assign after[SUM_BITS*i +: SUM_BITS] = held + increments[SUM_BITS*i +: SUM_BITS];
        end
    endgenerate

    wire [SUM_BITS-1:0] size = direction[SUM_BITS-1] ? -direction : direction;
    wire [SUM_BITS-1:0] lost = MOMENTUM_BITS > 0 ? size >> MOMENTUM_BITS : size;
    wire signed [SUM_BITS-1:0] faded =
        MOMENTUM_BITS == 0 ? {SUM_BITS{1'b0}} : direction[SUM_BITS-1] ? direction + lost : direction - lost;
    wire [SUM_BITS-1:0] measured_size = measured[SUM_BITS-1] ? -measured : measured;

    generate
        if (SUM_BITS > 32) begin : limited
            localparam signed [SUM_BITS-1:0] MOST = (SUM_BITS)'(64'sd2147483647);
            assign measured = direction > MOST ? MOST : direction < -MOST ? -MOST : direction;
        end else begin : free
            assign measured = direction;
        end
    endgenerate

    // ADDS numbers of a word change in one clock, or the one at `beside`
    wire changes = fade || add || measure;
    wire [ADDS*SUM_BITS-1:0] changed =
        fade ? {ADDS{faded}} : add ? after : {ADDS{measured}};
    integer k;
    always @(posedge clk) begin
        for (k = 0; k < WORD; k = k + 1) begin
            if (changes && (add && ADDS > 1 || beside == BESIDE_BITS'(k)))
                directions[at][SUM_BITS*k +: SUM_BITS] <= changed[SUM_BITS*(ADDS > 1 ? k : 0) +: SUM_BITS];
            if (moving && beside == BESIDE_BITS'(k)) states[at][STATE_BITS*k +: STATE_BITS] <= next_state;
        end
        if (measure) total <= (row == 0 && column == 0 ? 64'd0 : total) + 64'(measured_size);
    end
endmodule
