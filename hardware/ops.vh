// What a core can be told to do; `core.v` says what each does.
localparam [2:0] CLEAR = 0, SPIKE = 1, STEP = 2, DRAW = 3, FADE = 4, VOTE = 5, MEASURE = 6, MOVE = 7;
