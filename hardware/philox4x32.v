// Philox4x32-10 (Salmon et al. 2011), a counter-based random number generator: one round a clock.
//
// `start` takes counter and key; ten clocks later `done` is 1 and stays so until the next `start`.
module philox4x32 (
    input  wire         clk,
    input  wire         start,
    input  wire [127:0] counter,  // {c3, c2, c1, c0}
    input  wire [ 63:0] key,      // {k1, k0}
    output wire         done,
    output wire [127:0] block     // {w3, w2, w1, w0}: bit i is random bit i
);
    localparam [3:0] ROUNDS = 10;

    reg [31:0] c0, c1, c2, c3, k0, k1;
    reg [ 3:0] round;

    wire [63:0] p0, p1;
    multiply #(32, 32) even (.a(32'hD2511F53), .b(c0), .product(p0));
    multiply #(32, 32) odd  (.a(32'hCD9E8D57), .b(c2), .product(p1));

    assign done  = round == ROUNDS;
    assign block = {c3, c2, c1, c0};

    always @(posedge clk)
        if (start) begin
            {c3, c2, c1, c0} <= counter;
            {k1, k0} <= key;
            round <= 0;
        end else if (!done) begin
            c0 <= p1[63:32] ^ c1 ^ k0;
            c1 <= p1[31:0];
            c2 <= p0[63:32] ^ c3 ^ k1;
            c3 <= p0[31:0];
            k0 <= k0 + 32'h9E3779B9;
            k1 <= k1 + 32'hBB67AE85;
            round <= round + 4'd1;
        end
endmodule
