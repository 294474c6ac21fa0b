// attention_fragments — the two small matrix products of a tile of attention, by units that multiply fragments.
//
// A fragment is F × F, F = FRAGMENT, and belongs to a subgroup, none of whose lanes can touch an element. Four subgroups have F
// each of the tile's 4·F own rows, and keep them as fragments for the whole walk. The products ⟨own row, other row⟩ with 2·F other
// rows are `parked` where lanes read them, a block of 4 × 4 each; the weights made of them go to `weights`, whose fragments meet
// those of the other rows. Of the results a workgroup has 8·F channels, in eight fragments a subgroup.
// Beside attention_place.wgsl, for a shader that declares `params`, CHUNKS = ⌈D/32⌉, and `vec4_of(tensor, at)`, a word of one of
// the tensors below; FRAGMENT, LANES and the types Left, Right and Sum stand in front (engine/src/device/fragments.rs).

const TILE_ROWS: u32 = 4u * FRAGMENT;
const TILE_COLUMNS: u32 = 2u * FRAGMENT;
const BLOCK: u32 = 2u * FRAGMENT;        // vec4s of a row of results
const LEFTS: u32 = 128u / FRAGMENT;      // fragments of own rows of the widest head
const PAIR: u32 = FRAGMENT / 2u;         // vec4s of a row of two fragments

// From one row to the next, in elements: rows begin at multiples of 16 bytes and in different banks.
const WEIGHTS_PITCH: u32 = TILE_COLUMNS + 8u;
const PARKED_PITCH: u32 = TILE_COLUMNS + 4u;

// Which tensor rows are of; Q and DY have T rows an item, K and V S.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const DY: u32 = 3u;

var<workgroup> staged: array<Element, TILE_ROWS * (TILE_ROWS + 8u)>;  // 4·F own rows of 4·F channels, or 2·F others of up to 8·F
var<workgroup> weights: array<Element, TILE_ROWS * WEIGHTS_PITCH>;
var<workgroup> parked: array<f32, TILE_ROWS * PARKED_PITCH>;

// Whether a head has more channels than four fragments.
fn is_wide() -> bool {
    return CHUNKS * 8u > FRAGMENT;
}

// vec4s of a staged row of a block, and elements from one such row to the next.
fn strip() -> u32 {
    return select(FRAGMENT, BLOCK, is_wide());
}

fn strip_pitch() -> u32 {
    return 4u * strip() + 8u;
}

// Blocks of 4 × 4 in a tile, and those of a lane: n·LANES + lane; what is past the last is the last once more.
const BLOCKS: u32 = FRAGMENT * FRAGMENT / 2u;
const BLOCKS_A_LANE: u32 = (BLOCKS + LANES - 1u) / LANES;

fn block_of(lane: u32, n: u32) -> u32 {
    return min(n * LANES + lane, BLOCKS - 1u);
}

fn first_row(block: u32) -> u32 {
    return block / (FRAGMENT / 2u) * 4u;
}

fn first_column(block: u32) -> u32 {
    return block % (FRAGMENT / 2u) * 4u;
}

// Four rows of a block of what is parked.
fn parked_block(block: u32) -> mat4x4f {
    var rows: mat4x4f;
    for (var r = 0u; r < 4u; r++) {
        let at = (first_row(block) + r) * PARKED_PITCH + first_column(block);
        rows[r] = vec4f(parked[at], parked[at + 1u], parked[at + 2u], parked[at + 3u]);
    }
    return rows;
}

fn write_weights(lane: u32, n: u32, rows: mat4x4f) {
    let block = n * LANES + lane;
    if block < BLOCKS {
        for (var r = 0u; r < 4u; r++) {
            let at = (first_row(block) + r) * WEIGHTS_PITCH + first_column(block);
            for (var c = 0u; c < 4u; c++) {
                weights[at + c] = Element(rows[r][c]);
            }
        }
    }
}

// `count` rows from `row` on, `across` vec4s of each from `first` on, into `staged` and there for all; zero past the end.
fn stage(tensor: u32, place: Place, row: u32, count: u32, first: u32, across: u32) {
    let length = select(params.keys, params.queries, tensor == Q || tensor == DY);
    let width = params.width / 4u;
    let stride = params.heads * width;
    let end = params.batch * length * stride - 1u;
    let c = place.lane % across;
    let start = place.item * length * stride + place.head * width + first + c;
    let rows = select(0u, length, first + c < width);
    workgroupBarrier();
    for (var r = place.lane / across; r < count; r += LANES / across) {
        let value = Element4(vec4_of(tensor, min(start + (row + r) * stride, end)));
        let inside = select(Element4(), value, row + r < rows);
        let at = r * (4u * across + 8u) + 4u * c;
        staged[at] = inside.x;
        staged[at + 1u] = inside.y;
        staged[at + 2u] = inside.z;
        staged[at + 3u] = inside.w;
    }
    workgroupBarrier();
}

// The subgroup's own rows of the tile that begins at `row`, all channels.
fn load_own(own: ptr<function, array<Left, LEFTS>>, tensor: u32, place: Place, subgroup: u32, row: u32) {
    let pitch = TILE_ROWS + 8u;
    let start = subgroup % 4u * FRAGMENT * pitch;
    for (var first = 0u; first < 8u * CHUNKS; first += FRAGMENT) {
        stage(tensor, place, row, TILE_ROWS, first, FRAGMENT);
        for (var x = 0u; x < 4u; x++) {
            let at = start + x * FRAGMENT;
            own[first * 4u / FRAGMENT + x] = coopLoadT<Left>(&staged[at], pitch);
        }
    }
}

// Parks Σ over all channels of ⟨own row, other row⟩, other rows from `column`.
fn products(own: ptr<function, array<Left, LEFTS>>, other_tensor: u32, place: Place, subgroup: u32, column: u32) {
    let pitch = strip_pitch();
    var left: Sum;
    var right: Sum;
    for (var first = 0u; first < 8u * CHUNKS; first += strip()) {
        stage(other_tensor, place, column, TILE_COLUMNS, first, strip());
        for (var x = 0u; x < 4u * min(strip(), 8u * CHUNKS - first) / FRAGMENT; x++) {
            let at = x * FRAGMENT;
            let rows = own[first * 4u / FRAGMENT + x];
            let columns = coopLoad<Right>(&staged[at], pitch);
            let beside = coopLoad<Right>(&staged[at + FRAGMENT * pitch], pitch);
            left = coopMultiplyAdd(rows, columns, left);
            right = coopMultiplyAdd(rows, beside, right);
        }
    }
    park(subgroup, left, right);
}

// Two fragments of a subgroup, side by side, to where lanes can read them.
fn park(subgroup: u32, left: Sum, right: Sum) {
    let pitch = PARKED_PITCH;
    if subgroup < 4u {
        let at = subgroup * FRAGMENT * PARKED_PITCH;
        let beside = at + FRAGMENT;
        coopStoreT(left, &parked[at], pitch);
        coopStoreT(right, &parked[beside], pitch);
    }
    workgroupBarrier();
}

// sums += weights · other rows from `column`.
fn add_weighted(sums: ptr<function, array<Sum, 8>>, other_tensor: u32, place: Place, subgroup: u32, column: u32) {
    let own = subgroup % 4u * FRAGMENT * WEIGHTS_PITCH;
    let pitch = WEIGHTS_PITCH;
    stage(other_tensor, place, column, TILE_COLUMNS, place.first, strip());
    for (var j = 0u; j < 2u * FRAGMENT; j += FRAGMENT) {
        let rows = coopLoadT<Left>(&weights[own + j], pitch);
        add_four(sums, 0u, rows, j * strip_pitch());
        if is_wide() {
            add_four(sums, 4u, rows, j * strip_pitch() + 4u * FRAGMENT);
        }
    }
}

fn add_four(sums: ptr<function, array<Sum, 8>>, first: u32, rows: Left, at: u32) {
    let pitch = strip_pitch();
    let columns = array<Right, 4>(
        coopLoadT<Right>(&staged[at], pitch),
        coopLoadT<Right>(&staged[at + FRAGMENT], pitch),
        coopLoadT<Right>(&staged[at + 2u * FRAGMENT], pitch),
        coopLoadT<Right>(&staged[at + 3u * FRAGMENT], pitch),
    );
    sums[first] = coopMultiplyAdd(rows, columns[0], sums[first]);
    sums[first + 1u] = coopMultiplyAdd(rows, columns[1], sums[first + 1u]);
    sums[first + 2u] = coopMultiplyAdd(rows, columns[2], sums[first + 2u]);
    sums[first + 3u] = coopMultiplyAdd(rows, columns[3], sums[first + 3u]);
}

// How often two fragments of the results are parked.
fn rounds() -> u32 {
    return select(2u, 4u, is_wide());
}

// Parks the results at channels 2·F·round .. of the block.
fn park_results(sums: ptr<function, array<Sum, 8>>, subgroup: u32, round: u32) {
    workgroupBarrier();
    switch round {
        case 0u: { park(subgroup, sums[0], sums[1]); }
        case 1u: { park(subgroup, sums[2], sums[3]); }
        case 2u: { park(subgroup, sums[4], sums[5]); }
        default: { park(subgroup, sums[6], sums[7]); }
    }
}

// vec4 of the head's width that a block of parked results begins with.
fn channel_of(place: Place, round: u32, block: u32) -> u32 {
    return place.first + round * PAIR + first_column(block) / 4u;
}
