# Edits of heads, packed (edit_t of http1write): what a writer may be given.
from libc.stdint cimport uint8_t, uint32_t

# Whether n bytes are edits, one behind another, that leave a head one reading: names are tokens and none of framing, of the
# connection, or Host; values have no byte but those of a value and variables. Looks at nothing beyond n bytes.
cdef bint edits_are_sound(const uint8_t* p, uint32_t n) noexcept nogil
