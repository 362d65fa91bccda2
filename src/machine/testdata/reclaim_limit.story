# A job that takes its TaskTrackers down with it is reclaimed, and dead after more than the limit.
at 1000 online w1 trade 4 -> session 1.0
at 1000 limits reclaims=2 -> ok
at 1000 submit killer trade + dispatch w1 1 -> accepted 3.0, push 3.1 of 3.0/0 due 1000, ready trade
at 2000 reclaim 3.1 silent -> ok, terminate 3.1 on 1.0, ready trade
at 2000 dispatch w1 1 -> push 5.0 of 3.0/0 due 1000 attempt 2 retries 0 reclaims 1
at 3000 reclaim 5.0 silent -> ok, terminate 5.0 on 1.0, ready trade
at 3000 dispatch w1 1 -> push 7.0 of 3.0/0 due 1000 attempt 3 retries 0 reclaims 2
at 4000 reclaim 7.0 silent -> ok, terminate 7.0 on 1.0, 3.0/0 dead
show job 3.0
    | killer rev 1 has ended
    | 3.0/0 due 1000 rev 1 dead at 4000 executions 3 retries 0 reclaims 3 [3.1 TrackerSilent, 5.0 TrackerSilent, 7.0 TrackerSilent] error "reclaimed more than 2 times"
show group trade
    | Group(GroupRow { submitted: 1, dispatched: 3, succeeded: 0, failed: 0, dead: 1, cancelled: 0, skipped: 0, retried: 0, reclaimed: 3, stale: 0, exe_success: 0, exe_failed: 0, exe_later: 0, exe_exception: 0, log_lines_dropped: 0, kept: 1 })

# Reclaims are not retries, and retries no reclaims.
at 5000 submit t2 trade retries=1 delay=100 + dispatch w1 1 -> accepted 9.0, push 9.1 of 9.0/0 due 5000, ready trade
at 5000 reclaim 9.1 -> ok, terminate 9.1 on 1.0, ready trade
at 5000 dispatch w1 1 -> push 11.0 of 9.0/0 due 5000 attempt 2 retries 0 reclaims 1
at 5100 complete 11.0 exception -> accepted
at 5200 tick + dispatch w1 1 -> ok, push 13.0 of 9.0/0 due 5000 attempt 3 retries 1 reclaims 1, ready trade
at 5300 complete 13.0 success -> accepted, 9.0/0 succeeded
show job 9.0
    | t2 rev 1 has ended
    | 9.0/0 due 5000 rev 1 succeeded at 5300 executions 3 retries 1 reclaims 1 [9.1 Unknown, 11.0 EXECUTE_EXCEPTION, 13.0 EXECUTE_SUCCESS]

# One that did not stop after its run timeout is not tried again.
at 6000 submit t3 trade retries=5 + dispatch w1 1 -> accepted 15.0, push 15.1 of 15.0/0 due 6000, ready trade
at 6500 reclaim 15.1 timed-out -> ok, terminate 15.1 on 1.0, 15.0/0 dead
show job 15.0
    | t3 rev 1 has ended
    | 15.0/0 due 6000 rev 1 dead at 6500 executions 1 retries 0 reclaims 1 [15.1 TimedOut] error "did not stop after its run timeout"

# What is no current execution is reclaimed in vain, also twice in one command.
at 7000 submit t4 trade + dispatch w1 1 -> accepted 17.0, push 17.1 of 17.0/0 due 7000, ready trade
at 7000 reclaim 9.1,15.1,17.1,17.1,99.0 -> ok, terminate 17.1 on 1.0, ready trade
show job 17.0
    | t4 rev 1 lives
    | 17.0/0 due 7000 rev 1 ready since 7000 executions 1 retries 0 reclaims 1
