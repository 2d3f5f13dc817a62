# Access records as the door hands them out.
from nginy._fast.base.board cimport access_record_t, http_pool_row_t, request_record_t

# AccessRecord and RequestRecord of the door's stub.
cdef tuple access_fields(const access_record_t* r)
cdef tuple request_fields(const request_record_t* r)

# HttpPoolCounters.
cdef dict http_pool_fields(const http_pool_row_t* row)
