//! Hash tables whose keys are chosen by senders.

/// A table hashed with a secret that is generated at each start; otherwise, an attacker could make lookups linear. Hashing takes a third of
/// the time of the standard library's hash.
pub(super) type SeededMap<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;
/// A set hashed like [`SeededMap`].
pub(super) type SeededSet<K> = std::collections::HashSet<K, ahash::RandomState>;
