// max_sim — late interaction: each query token meets its best document token, and those similarities are added up.
//
// math      s_mn = Σ_i max_j ⟨q_mi, d_nj⟩ over the i that count and the visible j,  a_mni = the lowest j that reaches it;
//           0 where nothing of d_n is visible
//           dq_mi = Σ_n ds_mn·d_n,a_mni,  dd_nj = Σ_{m, i: a_mni = j} ds_mn·q_mi
// source    Khattab & Zaharia 2020 (ColBERT), arXiv:2004.12832, eq. 3; the position alone has a gradient, as in any maximum
// shapes    M queries of S tokens, N documents of T tokens, D wide, in B batches whose queries meet all documents of the same
//           batch: B = 1, or B = M for documents that belong to one query each. A block is some batches, and of each some
//           queries and some documents; its similarities lie as [batch, document, T, query, S]
// work      forward: a lane per (document, query token) of the block walks T; score: a lane per (document, query) adds S
//           maxima; backward_queries: a lane per (m, i, c) walks the block's documents; backward_documents: a lane per
//           (n, c) walks the block's query tokens and adds in place. All spread over x and y
// cost      forward reads M·(N/B)·S·T words beside the product's; backward M·(N/B)·S·D words and 2 FLOPs each for the
//           queries, 3 words for the documents: a T-th of a dense backward's
// limits    a lane walks T, or a block's documents, or T + queries·(1 + S), below 65,536 on llvmpipe, where an invocation
//           leaves its loops after as many rounds in all: the host cuts the blocks
// numerics  a comparison; every sum has one owner and runs over documents, queries and tokens in order, so it repeats bit for bit

struct Params {
    batches: u32,             // of the block
    queries: u32,             // of a batch in the block
    documents: u32,           // of a batch in the block
    first_batch: u32,         // of the block
    first_query: u32,         // of the block in each batch
    first_document: u32,      // of the block in each batch
    batch_queries: u32,       // M / B
    batch_documents: u32,     // N / B
    query_tokens: u32,        // S
    document_tokens: u32,     // T
    channels: u32,            // D
    has_query_mask: u32,      // 0: all query tokens count
    has_document_mask: u32,   // 0: all document tokens are visible
    keeps_positions: u32,     // 0: those of a block are forgotten with it
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> similarities: array<f32>;        // [block]
@group(0) @binding(2) var<storage, read> query_mask: array<u32>;          // [M, S]  0 = does not count
@group(0) @binding(3) var<storage, read> document_mask: array<u32>;       // [N, T]  0 = hidden
@group(0) @binding(4) var<storage, read_write> maxima: array<f32>;        // [block without T]
@group(0) @binding(5) var<storage, read_write> positions: array<u32>;     // [M, N/B, S]  a, or NONE; [block without T] if not kept
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;        // [M, N/B]
@group(0) @binding(7) var<storage, read> dscores: array<f32>;             // [M, N/B]
@group(0) @binding(8) var<storage, read> query_vectors: array<f32>;       // [M, S, D]
@group(0) @binding(9) var<storage, read> document_vectors: array<f32>;    // [N, T, D]
@group(0) @binding(10) var<storage, read_write> dqueries: array<f32>;     // [M, S, D]
@group(0) @binding(11) var<storage, read_write> ddocuments: array<f32>;   // [N, T, D]

const LANES: u32 = 64u;
const NONE: u32 = 0xFFFFFFFFu;

// Number of the pair of a query and a document among all; both are counted from the first of their batch.
fn pair_of(batch: u32, query: u32, document: u32) -> u32 {
    return (batch * params.batch_queries + query) * params.batch_documents + document;
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let columns = params.queries * params.query_tokens;
    if at >= params.batches * params.documents * columns {
        return;
    }
    let place = at / columns; // of the document in the block
    let column = at % columns;
    let batch = params.first_batch + place / params.documents;
    let document = params.first_document + place % params.documents;
    let mask_start = (batch * params.batch_documents + document) * params.document_tokens;
    let start = place * params.document_tokens * columns + column;
    var largest = 0.0;
    var position = NONE;
    for (var j = 0u; j < params.document_tokens; j++) {
        let value = similarities[start + j * columns];
        let visible = params.has_document_mask == 0u || document_mask[mask_start + j] != 0u;
        if visible && (position == NONE || value > largest) {
            largest = value;
            position = j;
        }
    }
    maxima[at] = largest;
    let pair = pair_of(batch, params.first_query + column / params.query_tokens, document);
    let kept_at = pair * params.query_tokens + column % params.query_tokens;
    positions[select(at, kept_at, params.keeps_positions != 0u)] = position;
}

// Whether a query token, numbered among all, counts.
fn counts(token: u32) -> bool {
    return params.has_query_mask == 0u || query_mask[token] != 0u;
}

@compute @workgroup_size(LANES)
fn score(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at >= params.batches * params.documents * params.queries {
        return;
    }
    let place = at / params.queries;
    let batch = params.first_batch + place / params.documents;
    let query = params.first_query + at % params.queries;
    let first_token = (batch * params.batch_queries + query) * params.query_tokens;
    let start = at * params.query_tokens;
    var sum = 0.0;
    for (var i = 0u; i < params.query_tokens; i++) {
        if counts(first_token + i) {
            sum += maxima[start + i];
        }
    }
    scores[pair_of(batch, query, params.first_document + place % params.documents)] = sum;
}

@compute @workgroup_size(LANES)
fn backward_queries(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let token = at / params.channels;
    let c = at % params.channels;
    let query = token / params.query_tokens;
    let batch = query / params.batch_queries;
    if batch >= params.batches {
        return;
    }
    var sum = 0.0;
    if params.first_document > 0u {
        sum = dqueries[at];
    }
    if counts(token) {
        let end = params.first_document + params.documents;
        for (var n = params.first_document; n < end; n++) {
            let pair = query * params.batch_documents + n;
            let position = positions[pair * params.query_tokens + token % params.query_tokens];
            if position != NONE {
                let row = (batch * params.batch_documents + n) * params.document_tokens + position;
                sum += dscores[pair] * document_vectors[row * params.channels + c];
            }
        }
    }
    dqueries[at] = sum;
}

@compute @workgroup_size(LANES)
fn backward_documents(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let document = at / params.channels;
    let batch = document / params.batch_documents;
    if batch >= params.batches {
        return;
    }
    // This lane alone reads and writes its channel of the document's T rows.
    let start = document * params.document_tokens * params.channels + at % params.channels;
    if params.first_query == 0u {
        for (var j = 0u; j < params.document_tokens; j++) {
            ddocuments[start + j * params.channels] = 0.0;
        }
    }
    let end = params.first_query + params.queries;
    for (var m = params.first_query; m < end; m++) {
        let pair = pair_of(batch, m, document % params.batch_documents);
        let slope = dscores[pair];
        let first_token = (batch * params.batch_queries + m) * params.query_tokens;
        for (var i = 0u; i < params.query_tokens; i++) {
            let position = positions[pair * params.query_tokens + i];
            if position != NONE && counts(first_token + i) {
                let q = query_vectors[(first_token + i) * params.channels + at % params.channels];
                ddocuments[start + position * params.channels] += slope * q;
            }
        }
    }
}
