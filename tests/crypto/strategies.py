"""Values that the tests of this room share."""

from hypothesis import strategies as st

exact_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-9e15, 9e15)
unicode_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | exact_numbers | unicode_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(unicode_text, inner, max_size=3),
    max_leaves=8,
)
