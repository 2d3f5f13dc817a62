# cython: language_level=3
# The DNS messages of the load: a query that says its number, and the answer that belongs to it. Compiled into the load.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:                  # bytes
    DNS_HEAD = 12
    DNS_NUMBER = 14         # where the first label's digits begin
    DNS_DIGITS = 7          # hexadecimal
    DNS_QUERY = 40
    DNS_RECORD = 16
    DNS_RECORDS = 5
    DNS_ANSWER = 120
    DNS_MASK = 0xFFFFFFF    # of a number: seven digits


# The query `qNNNNNNN.bench.example. A` with recursion desired; its id and its name say the number. DNS_QUERY bytes.
cdef inline void query_fill(uint8_t* out, uint64_t number) noexcept nogil:
    cdef uint32_t rest = <uint32_t>number & DNS_MASK
    cdef uint32_t query_id = <uint32_t>(number * 40503)
    cdef int i
    cdef uint8_t digit
    memcpy(out, b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", DNS_HEAD)
    memcpy(&out[DNS_HEAD], b"\x08q0000000\x05bench\x07example\x00\x00\x01\x00\x01", DNS_QUERY - DNS_HEAD)
    out[0], out[1] = <uint8_t>(query_id >> 8), <uint8_t>query_id
    for i in range(DNS_DIGITS):
        digit = rest & 15
        out[DNS_NUMBER + DNS_DIGITS - 1 - i] = digit + (48 if digit < 10 else 87)
        rest >>= 4


# The number that the name in a query or an answer says.
cdef inline uint32_t query_number(const uint8_t* message) noexcept nogil:
    cdef uint32_t number = 0
    cdef uint8_t digit
    cdef int i
    for i in range(DNS_DIGITS):
        digit = message[DNS_NUMBER + i]
        number = number << 4 | <uint32_t>((digit - 48 if digit < 58 else digit - 87) & 15)
    return number


# Turn a query of n bytes into its answer of five addresses, in place. Bytes of it; 0: the query is none of ours.
cdef inline uint32_t answer_make(uint8_t* message, uint32_t n) noexcept nogil:
    cdef uint8_t* record
    cdef int i
    if n != DNS_QUERY or memcmp(&message[2], b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08q", 12) != 0:
        return 0
    message[2], message[3] = 0x81, 0x80
    message[7] = DNS_RECORDS
    for i in range(DNS_RECORDS):
        record = &message[DNS_QUERY + i * DNS_RECORD]
        memcpy(record, b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x00", DNS_RECORD)
        record[DNS_RECORD - 1] = <uint8_t>(i + 1)
    return DNS_ANSWER


# Whether a message of n bytes is the answer to the query of this number.
cdef inline bint is_answer_to(const uint8_t* message, ssize_t n, uint64_t number) noexcept nogil:
    cdef uint8_t wanted[DNS_QUERY]
    query_fill(wanted, number)
    return (
        n == DNS_ANSWER and memcmp(message, wanted, 2) == 0 and message[7] == DNS_RECORDS
        and memcmp(&message[DNS_HEAD], &wanted[DNS_HEAD], DNS_QUERY - DNS_HEAD) == 0
    )
