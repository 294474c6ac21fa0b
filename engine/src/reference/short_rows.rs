//! Twin of `shaders/shared/short_rows.wgsl`: where a row of a chunk of attention matrices comes from.

use crate::random::philox;

/// A row of the chunk.
pub(crate) struct Row {
    pub(crate) head: usize,
    pub(crate) item: usize,
    pub(crate) i: usize,
    /// Its number in `[B, T]`.
    pub(crate) token: usize,
    /// Its number in `[B, T, A]`.
    pub(crate) note: usize,
}

impl Row {
    /// Row `at` of a chunk: of T and A, and of its first head, its first item and how many items it has.
    pub(crate) fn of([queries, heads]: [u32; 2], chunk: [u32; 3], at: usize) -> Self {
        let [queries, heads] = [queries, heads].map(|n| n as usize);
        let [first_head, first_item, some_items] = chunk.map(|n| n as usize);
        let head = first_head + at / queries / some_items;
        let item = first_item + at / queries % some_items;
        let i = at % queries;
        let token = item * queries + i;
        Self { head, item, i, token, note: token * heads + head }
    }

    /// Whether dropout leaves column `j`: its threshold, its site and the number of the first row.
    pub(crate) fn is_kept(
        &self,
        [threshold, site, first_row]: [u32; 3],
        key: &[u32],
        j: usize,
    ) -> bool {
        if threshold == 0 {
            return true;
        }
        let counter =
            [j as u32 / 4, (self.token as u32).wrapping_add(first_row), site, self.head as u32];
        philox(counter, [key[0], key[1]])[j % 4] >= threshold
    }
}
