//! Decoding within a budget of memory: for what somebody else made up.
//!
//! Two bytes of postcard may spell a value that takes forty in memory, and none at all may spell as many empty values as a length
//! claims. So it is not bytes that are counted here but what comes of them: each element of each sequence costs its size in memory
//! (at least one byte), each text its length. Where the budget is spent, decoding ends.

use std::cell::Cell;
use std::fmt;
use std::mem::size_of;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

/// Why bytes give no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeteredError {
    /// The value takes more memory than it may.
    Spent,
    /// The bytes spell no such value.
    Malformed,
}

/// The value that `bytes` begin with, and the bytes behind it. It takes about `memory_bytes_max` bytes of memory at most.
///
/// # Errors
/// As [`MeteredError`] says.
pub fn take_within<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    memory_bytes_max: usize,
) -> Result<(T, &'de [u8]), MeteredError> {
    let meter = Meter {
        left: Cell::new(memory_bytes_max),
        spent: Cell::new(false),
    };
    let mut deserializer = postcard::Deserializer::from_bytes(bytes);
    let metered = Metered {
        inner: &mut deserializer,
        meter: &meter,
    };
    let why = |_| match meter.spent.get() {
        true => MeteredError::Spent,
        false => MeteredError::Malformed,
    };
    let value = T::deserialize(metered).map_err(why)?;
    Ok((value, deserializer.finalize().map_err(why)?))
}

struct Meter {
    left: Cell<usize>,
    spent: Cell<bool>,
}

impl Meter {
    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.spent.set(true);
                Err(E::custom("more memory than it may take"))
            }
        }
    }
}

/// Something of serde's with the meter beside it.
struct Metered<'m, T> {
    inner: T,
    meter: &'m Meter,
}

/// A visitor with the meter beside it. `counts` where what it is given lies in memory of its own: the elements of a sequence, but not
/// the fields of a struct, which lie in the struct.
struct MeteredVisitor<'m, V> {
    inner: V,
    meter: &'m Meter,
    counts: bool,
}

impl<'m, T> Metered<'m, T> {
    fn of(inner: T, meter: &'m Meter) -> Metered<'m, T> {
        Metered { inner, meter }
    }
}

macro_rules! forwarded {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )* };
}

macro_rules! entered {
    ($($method:ident($($name:ident: $type:ty),*) $counts:literal;)*) => { $(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let meter = self.meter;
            self.inner.$method($($name,)* MeteredVisitor { inner: visitor, meter, counts: $counts })
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Metered<'_, D> {
    type Error = D::Error;

    forwarded! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_unit
    }

    entered! {
        deserialize_any() true;
        deserialize_str() true;
        deserialize_string() true;
        deserialize_bytes() true;
        deserialize_byte_buf() true;
        deserialize_option() false;
        deserialize_unit_struct(name: &'static str) false;
        deserialize_newtype_struct(name: &'static str) false;
        deserialize_seq() true;
        deserialize_tuple(len: usize) false;
        deserialize_tuple_struct(name: &'static str, len: usize) false;
        deserialize_map() true;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) false;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) false;
        deserialize_identifier() true;
        deserialize_ignored_any() true;
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! given {
    ($($method:ident($type:ty))*) => { $(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )* };
}

macro_rules! charged {
    ($($method:ident($type:ty))*) => { $(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.meter.charge(value.len())?;
            self.inner.$method(value)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for MeteredVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    given! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64) visit_char(char)
    }

    charged! {
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Metered::of(inner, self.meter))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Metered::of(inner, self.meter))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Elements {
            inner,
            meter: self.meter,
            counts: self.counts,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Elements {
            inner,
            meter: self.meter,
            counts: self.counts,
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Metered::of(inner, self.meter))
    }
}

struct Elements<'m, A> {
    inner: A,
    meter: &'m Meter,
    counts: bool,
}

impl<A> Elements<'_, A> {
    fn charge<T, E: Error>(&self) -> Result<(), E> {
        match self.counts {
            true => self.meter.charge(size_of::<T>().max(1)),
            false => Ok(()),
        }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let element = self.inner.next_element_seed(Metered::of(seed, self.meter))?;
        if element.is_some() {
            self.charge::<T::Value, _>()?;
        }
        Ok(element)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let key = self.inner.next_key_seed(Metered::of(seed, self.meter))?;
        if key.is_some() {
            self.charge::<K::Value, _>()?;
        }
        Ok(key)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let value = self.inner.next_value_seed(Metered::of(seed, self.meter))?;
        self.charge::<T::Value, _>()?;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Metered<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Metered::of(deserializer, self.meter))
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for Metered<'m, A> {
    type Error = A::Error;
    type Variant = Metered<'m, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(Metered::of(seed, self.meter))?;
        Ok((value, Metered::of(variant, self.meter)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Metered<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(Metered::of(seed, self.meter))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let (inner, meter, counts) = (visitor, self.meter, false);
        self.inner.tuple_variant(len, MeteredVisitor { inner, meter, counts })
    }

    fn struct_variant<V: de::Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let (inner, meter, counts) = (visitor, self.meter, false);
        self.inner
            .struct_variant(fields, MeteredVisitor { inner, meter, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Notes = Vec<(u64, String)>;

    #[test]
    fn what_fits_is_the_same_as_without_a_meter() {
        let notes: Notes = (0..100).map(|number| (number, "x".repeat(number as usize))).collect();
        let mut bytes = postcard::to_allocvec(&notes).unwrap();
        bytes.push(7);
        assert_eq!(take_within::<Notes>(&bytes, 100_000), Ok((notes, &[7][..])));
        assert_eq!(
            take_within::<Notes>(&bytes[..50], 100_000).err(),
            Some(MeteredError::Malformed)
        );
    }

    /// Two bytes an empty note; none an empty value. It is neither the bytes nor the claim that counts.
    #[test]
    fn many_small_things_are_refused_before_they_are_large() {
        let notes: Notes = vec![(0, String::new()); 1_000];
        let bytes = postcard::to_allocvec(&notes).unwrap();
        assert_eq!(take_within::<Notes>(&bytes, 31_000).err(), Some(MeteredError::Spent));
        assert!(take_within::<Notes>(&bytes, 33_000).is_ok());
        let nothing = postcard::to_allocvec(&u64::MAX).unwrap();
        assert_eq!(take_within::<Vec<()>>(&nothing, 1_000).err(), Some(MeteredError::Spent));
    }
}
