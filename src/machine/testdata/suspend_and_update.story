# An update of a suspended job leaves it suspended, with what it brings.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit t1 trade at=5000 , t2 trade retries=2 delay=100 payload=old , t3 trade -> accepted 2.0, accepted 2.1, accepted 2.2, ready trade
at 1000 dispatch w1 2 -> push 3.0 of 2.1/0 due 1000 payload old, push 3.1 of 2.2/0 due 1000
at 1100 suspend trade/t1 + suspend trade/t2 + suspend trade/t3 -> SUSPENDED 2.0, SUSPENDED 2.1, SUSPENDED 2.2
at 1200 update trade/t1 at=3000 + update trade/t2 payload=new priority=7 + update trade/t3 priority=8 -> UPDATED 2.0 rev 2, UPDATED 2.1 rev 2, UPDATED 2.2 rev 2
at 1300 complete 3.0 later , 3.1 success -> accepted, accepted, 2.2/0 succeeded
show job 2.0
    | t1 rev 2 lives, suspended since 1100
    | 2.0/0 due 3000 rev 2 suspended, waits until 3000 executions 0 retries 0 reclaims 0
show job 2.1
    | t2 rev 2 lives, suspended since 1100
    | 2.1/0 due 1000 rev 2 suspended, waits until 1400 executions 1 retries 1 reclaims 0
at 4000 tick + dispatch w1 4 -> ok, nothing
at 4100 resume trade/t1 + resume trade/t2 + dispatch w1 4 -> RESUMED 2.0, RESUMED 2.1, push 8.2 of 2.1/0 due 1000 attempt 2 retries 1 reclaims 0 payload new, push 8.3 of 2.0/0 due 3000, ready trade
show job 2.0
    | t1 rev 2 lives
    | 2.0/0 due 3000 rev 2 executing 8.3 on w1 1.0 executions 1 retries 0 reclaims 0
show job 2.1
    | t2 rev 2 lives
    | 2.1/0 due 1000 rev 2 executing 8.2 on w1 1.0 executions 2 retries 1 reclaims 0

# What was asked for by hand and then got another time is held again.
at 5000 submit t4 trade at=9000 -> accepted 9.0
at 5000 suspend trade/t4 + trigger trade/t4 + update trade/t4 at=8000 + dispatch w1 9 -> SUSPENDED 9.0, TRIGGERED 9.0/0, UPDATED 9.0 rev 2, nothing, ready trade
at 8000 tick + dispatch w1 9 -> ok, nothing
at 8100 resume trade/t4 + dispatch w1 9 -> RESUMED 9.0, push 12.1 of 9.0/0 due 8000, ready trade

# A grid that gets another interval while its job is suspended skips what fell due until then.
at 10000 submit r1 trade every=1000 first=11000 -> accepted 13.0
at 10500 suspend trade/r1 -> SUSPENDED 13.0
at 13500 update trade/r1 every=700 -> UPDATED 13.0 rev 2
at 14500 resume trade/r1 -> RESUMED 13.0
at 15000 tick -> ok
show job 13.0
    | r1 rev 2 lives
    | settled 14400 live 0 next 15100 every 700ms remaining None
    | 13.0/0 due 11000 rev 1 skipped Suspended 3 to 13000 at 13500
    | 13.0/1 due 13700 rev 2 skipped Suspended 2 to 14400 at 14500
at 15000 cancel trade/r1 -> CANCELLED 13.0, 13.0 ends

# What is deleted after it moved to another group is forgotten in both.
at 20000 submit m1 trade every=60000 -> accepted 19.0
at 20000 tick + dispatch w1 9 -> ok, push 20.0 of 19.0/0 due 20000, ready trade
at 20100 complete 20.0 success -> accepted, 19.0/0 succeeded
at 20200 update trade/m1 group=stock -> UPDATED 19.0 rev 2
at 20300 delete stock/m1 -> DELETED 19.0, 19.0 ends, more to expire
show group trade
    | Group(GroupRow { submitted: 6, dispatched: 6, succeeded: 2, failed: 0, dead: 0, cancelled: 0, skipped: 5, retried: 1, reclaimed: 0, stale: 0, exe_success: 2, exe_failed: 0, exe_later: 1, exe_exception: 0, log_lines_dropped: 0, kept: 4 })
at 20400 expire -> ok
show group trade
    | Group(GroupRow { submitted: 6, dispatched: 6, succeeded: 2, failed: 0, dead: 0, cancelled: 0, skipped: 5, retried: 1, reclaimed: 0, stale: 0, exe_success: 2, exe_failed: 0, exe_later: 1, exe_exception: 0, log_lines_dropped: 0, kept: 3 })
show rows
    | Finished 4, Group 1, Job 5, JobLog 16, Ledger 3, Live 3, LogAge 17, NodeEvent 1, TaskKey 5, Tracker 1
