// Memory of COUNT random bits, written in blocks of 128 as the generator makes them, read one at a time.
module bits #(
    parameter COUNT = 1,
    parameter NUMBER_BITS = 1,
    parameter PLACE_BITS = 1
) (
    input  wire                   clk,
    input  wire                   write,   // take `block` as bits 128 place ..
    input  wire [PLACE_BITS-1:0]  place,
    input  wire [127:0]           block,
    input  wire [NUMBER_BITS-1:0] number,
    output wire                   value
);
    localparam BLOCKS = (COUNT + 127) / 128;
    localparam AT_BITS = BLOCKS > 1 ? $clog2(BLOCKS) : 1;

    reg [127:0] blocks [0:BLOCKS-1];
    wire [31:0]  which = 32'(number);
    wire [31:0]  to = 32'(place);
    wire [127:0] here = blocks[which[7 +: AT_BITS]];
    assign value = here[which[6:0]];
    wire unused = &{1'b0, which, to};

    always @(posedge clk) if (write) blocks[to[AT_BITS-1:0]] <= block;
endmodule
