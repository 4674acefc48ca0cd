//! Tables whose keys senders choose.

/// A table hashed with a secret that is drawn at each start, or a clever sender would make it as slow as a list. Costs a third of the
/// standard library's hash.
pub(super) type SeededMap<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;
/// The same for keys alone.
pub(super) type SeededSet<K> = std::collections::HashSet<K, ahash::RandomState>;
