# Finished: it and its history are unknown at once, and its key is free; its rows go in steps.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit t trade + dispatch w1 9 -> accepted 2.0, push 2.1 of 2.0/0 due 1000, ready trade
at 1000 delete trade/t -> STILL_EXECUTING 2.0/0
at 1100 complete 2.1 exception -> accepted, 2.0/0 dead
at 1200 delete trade/t why=gone -> DELETED 2.0, 2.0 ends, more to expire
show job 2.0
    | unknown
at 1200 delete 2.0 + cancel 2.0 + suspend 2.0 + retry 2.0/0 + terminate 2.0/0 + trigger trade/t -> NOT_FOUND, NOT_FOUND, NOT_FOUND, refused: run 2.0/0 is unknown or expired, refused: run 2.0/0 is unknown or expired, NOT_FOUND
at 1200 complete 2.1 exception -> stale
at 1200 submit t trade -> accepted 8.0, ready trade
show rows
    | Deleted 1, Finished 1, Group 1, Job 1, Ledger 1, Live 1, NodeEvent 1, TaskKey 1, Tracker 1
at 1300 expire -> ok
show rows
    | Group 1, Job 1, Live 1, NodeEvent 1, TaskKey 1, Tracker 1
# Live and nothing executes: cancelled and forgotten.
at 1300 delete trade/t -> DELETED 8.0, 8.0/0 cancelled, 8.0 ends, more to expire
at 1400 submit r trade every=1000 , s trade at=9000 , c trade cron -> accepted 11.0, accepted 11.1, accepted 11.2, needs plan 11.2
at 1400 suspend trade/s + delete trade/r + delete trade/s + delete trade/c -> SUSPENDED 11.1, DELETED 11.0, DELETED 11.1, DELETED 11.2, 11.0 ends, more to expire, 11.1/0 cancelled, 11.1 ends, more to expire, 11.2 ends, more to expire
at 1500 expire -> ok
show rows
    | Group 1, LogAge 1, NodeEvent 1, Tracker 1
show due
show plans
    | []
# Executing: cancel or terminate it first.
at 2000 submit r trade every=1000 + tick + dispatch w1 9 -> accepted 14.0, ok, push 14.1 of 14.0/0 due 2000, ready trade
at 2000 delete trade/r -> STILL_EXECUTING 14.0/0
at 2000 cancel trade/r -> CANCEL_REQUESTED 14.0, terminate 14.1 on 1.0
at 2000 delete trade/r -> STILL_EXECUTING 14.0/0
at 2100 complete 15.2 success -> stale
at 2100 delete trade/r expect=2 + delete trade/r expect=1 -> refused: job 14.0 has revision 1, not the expected one, STILL_EXECUTING 14.0/0
at 2200 expire -> ok
show rows
    | Group 1, Job 1, JobLog 1, Live 1, LogAge 2, NodeEvent 1, Periodic 1, TaskKey 1, Tracker 1
show group trade
    | Group(GroupRow { submitted: 6, dispatched: 2, succeeded: 0, failed: 0, dead: 1, cancelled: 2, skipped: 0, retried: 0, reclaimed: 0, stale: 0, exe_success: 0, exe_failed: 0, exe_later: 0, exe_exception: 1, log_lines_dropped: 0, kept: 0 })
