# Hashed timer wheel: O(1) arm and disarm, a timer beyond one revolution is looked at once per revolution. One thread.
# Source: Varghese and Lauck, SOSP 1987, scheme 6.
from libc.stdint cimport uint32_t, uint64_t
from nginy._fast.base.limits cimport WHEEL_SLOTS, WHEEL_TICK_SHIFT, WHEEL_WORDS

cdef struct wheel_node_t:       # lives inside its owner, which disarms it before it dies
    wheel_node_t* next          # NULL while not armed
    wheel_node_t* prev
    uint64_t deadline_ms

cdef struct wheel_t:
    uint64_t tick               # slots before this one are done
    uint32_t n_armed
    wheel_node_t due            # expired, not yet taken
    uint64_t is_filled[WHEEL_WORDS]
    wheel_node_t slots[WHEEL_SLOTS]

cdef void wheel_open(wheel_t* wheel, uint64_t now_ms) noexcept nogil

# Arm or re-arm. Fires in [deadline, deadline + 16 ms) plus the loop's own delay; a past deadline fires at the next turn.
cdef void wheel_arm(wheel_t* wheel, wheel_node_t* node, uint64_t deadline_ms) noexcept nogil
cdef void wheel_disarm(wheel_t* wheel, wheel_node_t* node) noexcept nogil

# Gather what has expired by now; then take one at a time (NULL = none left). A node taken is disarmed.
cdef void wheel_advance(wheel_t* wheel, uint64_t now_ms) noexcept nogil
cdef wheel_node_t* wheel_take_due(wheel_t* wheel) noexcept nogil

# Milliseconds until the next slot that holds anything, at most max_ms.
cdef uint32_t wheel_wait_ms(const wheel_t* wheel, uint64_t now_ms, uint32_t max_ms) noexcept nogil

cdef inline bint wheel_is_armed(const wheel_node_t* node) noexcept nogil:
    return node.next != NULL

# Whether wheel_advance has anything to look at: false in most turns, for two compares.
cdef inline bint wheel_is_due(const wheel_t* wheel, uint64_t now_ms) noexcept nogil:
    return now_ms >> WHEEL_TICK_SHIFT >= wheel.tick or wheel.due.next != &wheel.due
