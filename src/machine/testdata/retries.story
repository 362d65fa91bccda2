# EXCEPTION and LATER are tried again after the delay, as often as the job says, and then the run is dead.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit t1 trade retries=2 delay=500 + dispatch w1 1 -> accepted 2.0, push 2.1 of 2.0/0 due 1000, ready trade
at 2000 complete 2.1 exception error=first -> accepted
show job 2.0
    | t1 rev 1 lives
    | 2.0/0 due 1000 rev 1 waiting until 2500 executions 1 retries 1 reclaims 0
at 2499 tick + dispatch w1 1 -> ok, nothing
at 2500 tick + dispatch w1 1 -> ok, push 5.0 of 2.0/0 due 1000 attempt 2 retries 1 reclaims 0, ready trade
at 2600 complete 5.0 later error=second -> accepted
at 3100 tick + dispatch w1 1 -> ok, push 7.0 of 2.0/0 due 1000 attempt 3 retries 2 reclaims 0, ready trade
at 3200 complete 7.0 exception error=third -> accepted, 2.0/0 dead
show job 2.0
    | t1 rev 1 has ended
    | 2.0/0 due 1000 rev 1 dead at 3200 executions 3 retries 2 reclaims 0 [2.1 EXECUTE_EXCEPTION, 5.0 EXECUTE_LATER, 7.0 EXECUTE_EXCEPTION] error "third"

# LATER may name its own delay.
at 4000 submit t2 trade retries=1 delay=500 + dispatch w1 1 -> accepted 9.0, push 9.1 of 9.0/0 due 4000, ready trade
at 4000 complete 9.1 later after=10 -> accepted
at 4010 tick + dispatch w1 1 -> ok, push 11.0 of 9.0/0 due 4000 attempt 2 retries 1 reclaims 0, ready trade
at 4020 complete 11.0 failed -> accepted, 9.0/0 failed
show job 9.0
    | t2 rev 1 has ended
    | 9.0/0 due 4000 rev 1 failed at 4020 executions 2 retries 1 reclaims 0 [9.1 EXECUTE_LATER, 11.0 EXECUTE_FAILED]

# The default is no retry.
at 5000 submit t3 trade + dispatch w1 1 -> accepted 13.0, push 13.1 of 13.0/0 due 5000, ready trade
at 5000 complete 13.1 exception -> accepted, 13.0/0 dead
show group trade
    | Group(GroupRow { submitted: 3, dispatched: 6, succeeded: 0, failed: 1, dead: 2, cancelled: 0, skipped: 0, retried: 3, reclaimed: 0, stale: 0, exe_success: 0, exe_failed: 1, exe_later: 2, exe_exception: 3, log_lines_dropped: 0, kept: 3 })
