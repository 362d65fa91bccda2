# A real-time job: submitted, dispatched in the same entry, completed.
at 1000 online w1 trade 2 -> session 1.0
at 1000 submit t1 trade payload=hello + dispatch w1 4 -> accepted 2.0, push 2.1 of 2.0/0 due 1000 payload hello, ready trade
show job 2.0
    | t1 rev 1 lives
    | 2.0/0 due 1000 rev 1 executing 2.1 on w1 1.0 executions 1 retries 0 reclaims 0
at 1500 complete 2.1 success result=42 -> accepted, 2.0/0 succeeded
show job 2.0
    | t1 rev 1 has ended
    | 2.0/0 due 1000 rev 1 succeeded at 1500 executions 1 retries 0 reclaims 0 [2.1 EXECUTE_SUCCESS] result 42
show log 2.0/0
show group trade
    | Group(GroupRow { submitted: 1, dispatched: 1, succeeded: 1, failed: 0, dead: 0, cancelled: 0, skipped: 0, retried: 0, reclaimed: 0, stale: 0, exe_success: 1, exe_failed: 0, exe_later: 0, exe_exception: 0, log_lines_dropped: 0, kept: 1 })

# Its key is free again; the same task id makes a new job.
at 2000 submit t1 trade -> accepted 4.0, ready trade
at 2000 dispatch w1 1 -> push 5.0 of 4.0/0 due 2000
at 2100 complete 5.0 failed error=broken -> accepted, 4.0/0 failed
show job 4.0
    | t1 rev 1 has ended
    | 4.0/0 due 2000 rev 1 failed at 2100 executions 1 retries 0 reclaims 0 [5.0 EXECUTE_FAILED] error "broken"

# The old one is found by its id, and has ended.
at 2200 cancel 2.0 -> ALREADY_FINISHED 2.0 succeeded
at 2200 cancel trade/t1 -> ALREADY_FINISHED 4.0 failed
at 2200 cancel 9.9 -> NOT_FOUND
