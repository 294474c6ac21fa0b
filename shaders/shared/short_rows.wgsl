// short_rows — the rows of a chunk of attention matrices, a few hundred words each.
//
// The shader that uses it declares Params with queries, keys, heads, first_head, some_heads, first_item and some_items, and
// uses shared/row_share.wgsl.

const LANES: u32 = 64u;

// A row of the chunk: where it comes from.
struct Row {
    head: u32,
    item: u32,
    i: u32,
    keys: u32,  // S, or 0 past the last row, where the rest is that of the last
}

fn row_of(row: u32) -> Row {
    let rows = params.some_heads * params.some_items * params.queries;
    let clamped = min(row, rows - 1u);
    let i = clamped % params.queries;
    let item = params.first_item + clamped / params.queries % params.some_items;
    let head = params.first_head + clamped / (params.queries * params.some_items);
    return Row(head, item, i, select(0u, params.keys, row < rows));
}

// Where the row's value stands in [B, T, A].
fn note_of(own: Row) -> u32 {
    return (own.item * params.queries + own.i) * params.heads + own.head;
}
