//! A vector that grows page by page: nothing that it holds is moved, so that it grows at the same cost at any length.

/// Values of a page.
const PAGE: usize = 1 << 9;

/// See the module.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    /// All but the last are full.
    pages: Vec<Vec<T>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Paged { pages: Vec::new() }
    }
}

impl<T> Paged<T> {
    pub(crate) fn len(&self) -> usize {
        match self.pages.as_slice() {
            [] => 0,
            [full @ .., last] => full.len() * PAGE + last.len(),
        }
    }

    /// Values that there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Puts a value at the end; gives its number.
    pub(crate) fn push(&mut self, value: T) -> usize {
        let number = self.len();
        if number == self.capacity() {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        self.pages[number / PAGE].push(value);
        number
    }
}

impl<T> std::ops::Index<usize> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: usize) -> &T {
        &self.pages[number / PAGE][number % PAGE]
    }
}

impl<T> std::ops::IndexMut<usize> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, number: usize) -> &mut T {
        &mut self.pages[number / PAGE][number % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_were_put() {
        let mut paged = Paged::default();
        for number in 0..3 * PAGE + 1 {
            assert_eq!(paged.push(number), number);
            assert_eq!(paged.len(), number + 1);
        }
        let place: *const usize = &raw const paged[0];
        paged[PAGE] = 7;
        (0..PAGE).for_each(|number| _ = paged.push(number));
        assert!(std::ptr::eq(place, &raw const paged[0]), "growing moves nothing");
        assert_eq!([paged[0], paged[PAGE], paged[3 * PAGE], paged[3 * PAGE + 1]], [0, 7, 3 * PAGE, 0]);
        assert_eq!(paged.capacity(), 5 * PAGE);
    }
}
