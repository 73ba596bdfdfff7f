// Traces of neurons: their spikes, filtered as the readout's membrane would filter them, summed over the steps.
//
//     c' = D(c, DU + 1) + 64 * spike      p' = D(p, DV) + c'      total' = total + p'      trace = total >> 4
//
// c, p and total count as 0 before the `first` step, so that nothing needs to be cleared.
module trace #(
    parameter NEURONS = 1,
    parameter COUNT_BITS = 1,
    parameter DU = 4095,
    parameter DV = 0,
    parameter TRACE_BITS = 8
) (
    input  wire                  clk,
    input  wire                  update,   // a step of neuron `neuron`
    input  wire                  first,
    input  wire                  spike,
    input  wire [COUNT_BITS-1:0] neuron,
    output wire [TRACE_BITS-1:0] value
);
    localparam AT_BITS = NEURONS > 1 ? $clog2(NEURONS) : 1;
    localparam TOTAL_BITS = TRACE_BITS + 4;

    reg signed [23:0]    currents   [0:NEURONS-1];
    reg signed [23:0]    potentials [0:NEURONS-1];
    reg [TOTAL_BITS-1:0] totals     [0:NEURONS-1];

    wire [AT_BITS-1:0] at = neuron[AT_BITS-1:0];
    wire signed [23:0] kept_current, kept_potential;
    decay #(13'(DU + 1)) of_current   (.x(first ? 24'd0 : currents[at]), .kept(kept_current));
    decay #(13'(DV))     of_potential (.x(first ? 24'd0 : potentials[at]), .kept(kept_potential));
    wire signed [23:0]    current   = kept_current + (spike ? 24'sd64 : 24'sd0);
    wire signed [23:0]    potential = kept_potential + current;
    wire [TOTAL_BITS-1:0] total     = totals[at];
    assign value = total[TOTAL_BITS-1:4];

    always @(posedge clk)
        if (update) begin
            currents[at] <= current;
            potentials[at] <= potential;
            totals[at] <= (first ? {TOTAL_BITS{1'b0}} : total) + TOTAL_BITS'(potential);
        end
    wire unused = &{1'b0, neuron, total[3:0]};
endmodule
