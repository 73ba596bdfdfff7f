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
    parameter READS = 1,        // values that are read in one clock: a power of two that divides COLUMNS
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
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1;
    localparam signed [31:0] HALF = (1 << FRACTION_BITS) >> 1;
    localparam signed [31:0] LOW = -(1 << (STATE_BITS - 1));
    localparam signed [31:0] HIGH =
        (((1 << (VALUE_BITS - 1)) - 1) << FRACTION_BITS) + (HALF > 0 ? HALF - 1 : 0);

    reg [COLUMNS*STATE_BITS-1:0] states     [0:ROWS-1];
    reg [COLUMNS*SUM_BITS-1:0]   directions [0:ROWS-1];
    initial begin
        if (BIAS != 0) $readmemh({"bias_state_L", 8'h30 + LAYER, ".mem"}, states);
        else $readmemh({"state_L", 8'h30 + LAYER, ".mem"}, states);
        if (MOMENTUM_BITS > 0) $readmemh({"momentum_L", 8'h30 + LAYER, ".mem"}, directions);
    end

    wire [ROW_BITS-1:0] at = BIAS != 0 ? {ROW_BITS{1'b0}} : row[ROW_BITS-1:0];
    assign low = LOW[STATE_BITS-1:0];
    assign high = HIGH[STATE_BITS-1:0];
    assign state = states[at][STATE_BITS*column +: STATE_BITS];
    wire [COUNT_BITS-1:0] first_read = column & COUNT_BITS'(-READS);
    wire [READS*STATE_BITS-1:0] read = states[at][STATE_BITS*first_read +: READS*STATE_BITS];
    wire [COUNT_BITS-1:0] first_added = column & COUNT_BITS'(-ADDS);
    wire [ADDS*SUM_BITS-1:0] held = directions[at][SUM_BITS*first_added +: ADDS*SUM_BITS];
    wire [ADDS*SUM_BITS-1:0] after;
    genvar i;
    generate
        for (i = 0; i < READS; i = i + 1) begin : reads
            wire signed [STATE_BITS:0] rounded =
                (STATE_BITS + 1)'($signed(read[STATE_BITS*i +: STATE_BITS])) + (STATE_BITS + 1)'(HALF);
            assign values[VALUE_BITS*i +: VALUE_BITS] = rounded[FRACTION_BITS +: VALUE_BITS];
            wire unused = &{1'b0, rounded};
        end
        for (i = 0; i < ADDS; i = i + 1) begin : adders
            assign after[SUM_BITS*i +: SUM_BITS] =
                held[SUM_BITS*i +: SUM_BITS] + increments[SUM_BITS*i +: SUM_BITS];
        end
    endgenerate

    assign direction = directions[at][SUM_BITS*column +: SUM_BITS];
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

    always @(posedge clk) begin
        if (fade) directions[at][SUM_BITS*column +: SUM_BITS] <= faded;
        else if (add) directions[at][SUM_BITS*first_added +: ADDS*SUM_BITS] <= after;
        else if (measure) begin
            directions[at][SUM_BITS*column +: SUM_BITS] <= measured;
            total <= (row == 0 && column == 0 ? 64'd0 : total) + 64'(measured_size);
        end
        if (moving) states[at][STATE_BITS*column +: STATE_BITS] <= next_state;
    end
    wire unused = &{1'b0, row};
endmodule
