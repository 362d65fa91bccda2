//! Choices drawn from a fuzzer's bytes. When they are used up, everything is the first choice.

/// Bytes, taken one after the other.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Source<'a> {
        Source(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Mostly a small number; sometimes one at the edges of what 64 bits hold.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=199 => small.into(),
            200..=239 => u16::from_le_bytes([self.byte(), self.byte()]).into(),
            240..=247 => 1 << (self.byte() % 64),
            248..=251 => u64::MAX - u64::from(self.byte()),
            252..=255 => u64::from_le_bytes([(); 8].map(|()| self.byte())),
        }
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    pub(crate) fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of those that are known, or what `stranger` makes of a number.
    pub(crate) fn known<T: Copy>(&mut self, known: &[T], stranger: impl FnOnce(u64) -> T) -> T {
        if known.is_empty() || self.byte() >= 240 {
            return stranger(self.number());
        }
        // Mostly one of the last ones.
        let back = self.below(known.len().min(32));
        known[known.len() - 1 - back]
    }

    /// Up to `max` of something.
    pub(crate) fn some<T>(&mut self, max: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| one(self)).collect()
    }

    /// The next `length` bytes, or what is left.
    pub(crate) fn slice(&mut self, length: usize) -> &'a [u8] {
        let (slice, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        slice
    }
}
