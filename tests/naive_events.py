"""What binning should do, in Python integers, from its description alone."""

Quad = tuple[int, int, int, int]
"""t, x, y, p."""


def counts(
    events: list[Quad], steps: int, pool: int, window: int, size: int = 34
) -> list[list[int]]:
    """Events in each cell [step][(p * height + y) * width + x], pooled."""
    side = size // pool
    cells = [[0] * (2 * side * side) for _ in range(steps)]
    for t, x, y, p in events:
        step = next((s for s in range(steps - 1) if t * steps < (s + 1) * window), steps - 1)
        cells[step][(p * side + y // pool) * side + x // pool] += 1
    return cells


def pack(cells: list[list[int]]) -> list[list[int]]:
    """Each row of cells, clamped to 1, as 64-bit words, a multiple of eight of them."""
    words = -(-len(cells[0]) // 512) * 8
    rows = []
    for row in cells:
        whole = sum(1 << j for j, cell in enumerate(row) if cell)
        rows.append([whole >> (64 * word) & (1 << 64) - 1 for word in range(words)])
    return rows
