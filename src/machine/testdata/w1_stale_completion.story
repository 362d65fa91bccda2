# W1: after a re-run the first finisher changes nothing.
at 1000 online w1 trade 4 -> session 1.0
at 1000 online w2 trade 4 -> session 2.0
at 1000 submit t1 trade + dispatch w1 1 -> accepted 3.0, push 3.1 of 3.0/0 due 1000, ready trade
at 2000 offline w1 silent -> ok, terminate 3.1 on 1.0, ready trade
at 2000 dispatch w2 1 -> push 5.0 of 3.0/0 due 1000 attempt 2 retries 0 reclaims 1
at 3000 complete 3.1 success result=late of=3.0/0 -> stale
show job 3.0
    | t1 rev 1 lives
    | 3.0/0 due 1000 rev 1 executing 5.0 on w2 2.0 executions 2 retries 0 reclaims 1
show log 3.0/0
    | 6.0 3.1 stale EXECUTE_SUCCESS
at 3000 complete 5.0 success result=right -> accepted, 3.0/0 succeeded
at 3000 complete 3.1 success result=later -> stale
at 3000 complete 5.0 failed result=twice -> stale
show job 3.0
    | t1 rev 1 has ended
    | 3.0/0 due 1000 rev 1 succeeded at 3000 executions 2 retries 0 reclaims 1 [3.1 TrackerSilent, 5.0 EXECUTE_SUCCESS] result right
show log 3.0/0
    | 6.0 3.1 stale EXECUTE_SUCCESS
    | 8.0 3.1 stale EXECUTE_SUCCESS
    | 9.0 5.0 stale EXECUTE_FAILED
show group trade
    | Group(GroupRow { submitted: 1, dispatched: 2, succeeded: 1, failed: 0, dead: 0, cancelled: 0, skipped: 0, retried: 0, reclaimed: 1, stale: 3, exe_success: 1, exe_failed: 0, exe_later: 0, exe_exception: 0, log_lines_dropped: 0, kept: 1 })

# The same result twice in one batch counts once; of two results of one run only the current one counts.
at 4000 submit t2 trade + dispatch w2 1 -> accepted 10.0, push 10.1 of 10.0/0 due 4000, ready trade
at 4000 complete 10.1 success , 10.1 success , 5.0 failed -> accepted, accepted, stale, 10.0/0 succeeded
show job 10.0
    | t2 rev 1 has ended
    | 10.0/0 due 4000 rev 1 succeeded at 4000 executions 1 retries 0 reclaims 0 [10.1 EXECUTE_SUCCESS resent]

# A completion of what nobody knows is acknowledged and leaves no trace.
at 5000 complete 77.0 success of=77.0/0 -> stale
at 5000 complete 77.0 success of=10.0/9 -> stale
show rows
    | Finished 2, Group 1, Job 2, JobLog 4, Ledger 2, LogAge 4, NodeEvent 3, TaskKey 2, Tracker 2
