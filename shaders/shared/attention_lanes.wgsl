// attention_lanes — a tile of attention in the registers of eight lanes, for adapters that emulate a GPU.
//
// A lane owns four rows. Of 64 other rows each lane reads every eighth, and what it read passes to all by broadcast:
// a word read costs llvmpipe about 160 cycles for eight lanes, a broadcast or a multiply-add one or two.
// Element j of a tile is a vec4f over the four own rows. Its indices are constants once these functions are inlined;
// one index that varies would send the tile to memory, so what varies per column is gathered in bit masks first.

const SUBGROUP: u32 = 8u;
const OWN: u32 = 4u;      // rows of a lane in one tile
const OTHERS: u32 = 64u;  // rows that pass by

// One bit per column of a tile for each of the four own rows.
struct Bits {
    low: vec4u,
    high: vec4u,
}

// Whether bit j is set, for each own row.
fn bit(bits: Bits, j: u32) -> vec4<bool> {
    let word = select(bits.high, bits.low, j < 32u);
    return ((word >> vec4u(j % 32u)) & vec4u(1u)) != vec4u(0u);
}

// The lowest `count` bits.
fn ones(count: u32) -> u32 {
    return select((1u << min(count, 31u)) - 1u, 0xFFFFFFFFu, count >= 32u);
}

// tile[j] + own·other_j over one channel for the eight others from `first`; lane i read other `first` + i.
fn add_eight(tile: ptr<function, array<vec4f, 64>>, first: u32, other: f32, own_rows: vec4f) {
    tile[first] = fma(vec4f(subgroupBroadcast(other, 0u)), own_rows, tile[first]);
    tile[first + 1u] = fma(vec4f(subgroupBroadcast(other, 1u)), own_rows, tile[first + 1u]);
    tile[first + 2u] = fma(vec4f(subgroupBroadcast(other, 2u)), own_rows, tile[first + 2u]);
    tile[first + 3u] = fma(vec4f(subgroupBroadcast(other, 3u)), own_rows, tile[first + 3u]);
    tile[first + 4u] = fma(vec4f(subgroupBroadcast(other, 4u)), own_rows, tile[first + 4u]);
    tile[first + 5u] = fma(vec4f(subgroupBroadcast(other, 5u)), own_rows, tile[first + 5u]);
    tile[first + 6u] = fma(vec4f(subgroupBroadcast(other, 6u)), own_rows, tile[first + 6u]);
    tile[first + 7u] = fma(vec4f(subgroupBroadcast(other, 7u)), own_rows, tile[first + 7u]);
}

// sum + Σ tile[j]·other_j over one channel for the eight others from `first`.
fn mix_eight(tile: ptr<function, array<vec4f, 64>>, first: u32, other: f32, sum: vec4f) -> vec4f {
    let sum_0 = fma(tile[first], vec4f(subgroupBroadcast(other, 0u)), sum);
    let sum_1 = fma(tile[first + 1u], vec4f(subgroupBroadcast(other, 1u)), sum_0);
    let sum_2 = fma(tile[first + 2u], vec4f(subgroupBroadcast(other, 2u)), sum_1);
    let sum_3 = fma(tile[first + 3u], vec4f(subgroupBroadcast(other, 3u)), sum_2);
    let sum_4 = fma(tile[first + 4u], vec4f(subgroupBroadcast(other, 4u)), sum_3);
    let sum_5 = fma(tile[first + 5u], vec4f(subgroupBroadcast(other, 5u)), sum_4);
    let sum_6 = fma(tile[first + 6u], vec4f(subgroupBroadcast(other, 6u)), sum_5);
    return fma(tile[first + 7u], vec4f(subgroupBroadcast(other, 7u)), sum_6);
}

// tile[j] + own·other_j over one channel; element g of `share` is what this lane read of other 8·g + lane.
fn add_products(tile: ptr<function, array<vec4f, 64>>, share: array<f32, 8>, own_rows: vec4f) {
    add_eight(tile, 0u, share[0], own_rows);
    add_eight(tile, 8u, share[1], own_rows);
    add_eight(tile, 16u, share[2], own_rows);
    add_eight(tile, 24u, share[3], own_rows);
    add_eight(tile, 32u, share[4], own_rows);
    add_eight(tile, 40u, share[5], own_rows);
    add_eight(tile, 48u, share[6], own_rows);
    add_eight(tile, 56u, share[7], own_rows);
}

// add_products for two tiles that the same others pass by: what is broadcast meets both before the next is.
fn add_products_to_both(
    upper: ptr<function, array<vec4f, 64>>,
    lower: ptr<function, array<vec4f, 64>>,
    share: array<f32, 8>,
    upper_rows: vec4f,
    lower_rows: vec4f,
) {
    add_eight(upper, 0u, share[0], upper_rows);
    add_eight(lower, 0u, share[0], lower_rows);
    add_eight(upper, 8u, share[1], upper_rows);
    add_eight(lower, 8u, share[1], lower_rows);
    add_eight(upper, 16u, share[2], upper_rows);
    add_eight(lower, 16u, share[2], lower_rows);
    add_eight(upper, 24u, share[3], upper_rows);
    add_eight(lower, 24u, share[3], lower_rows);
    add_eight(upper, 32u, share[4], upper_rows);
    add_eight(lower, 32u, share[4], lower_rows);
    add_eight(upper, 40u, share[5], upper_rows);
    add_eight(lower, 40u, share[5], lower_rows);
    add_eight(upper, 48u, share[6], upper_rows);
    add_eight(lower, 48u, share[6], lower_rows);
    add_eight(upper, 56u, share[7], upper_rows);
    add_eight(lower, 56u, share[7], lower_rows);
}

// sum + Σ tile[j]·other_j over one channel, as four sums that do not wait for each other.
fn add_mixture(tile: ptr<function, array<vec4f, 64>>, share: array<f32, 8>, sum: vec4f) -> vec4f {
    let first = mix_eight(tile, 8u, share[1], mix_eight(tile, 0u, share[0], sum));
    let second = mix_eight(tile, 24u, share[3], mix_eight(tile, 16u, share[2], vec4f(0.0)));
    let third = mix_eight(tile, 40u, share[5], mix_eight(tile, 32u, share[4], vec4f(0.0)));
    let fourth = mix_eight(tile, 56u, share[7], mix_eight(tile, 48u, share[6], vec4f(0.0)));
    return (first + second) + (third + fourth);
}
