at 0 online w1 trade 9 -> session 1.0
at 0 limits kept=1000 window=60000 clients=60000 offline=5000 -> ok
at 0 submit a trade , b trade , c trade + dispatch w1 9 -> accepted 3.0, accepted 3.1, accepted 3.2, push 3.3 of 3.0/0 due 0, push 3.4 of 3.1/0 due 0, push 3.5 of 3.2/0 due 0, ready trade
at 100 complete 3.3 success -> accepted, 3.0/0 succeeded
at 600 complete 3.4 success , 3.5 success -> accepted, accepted, 3.1/0 succeeded, 3.2/0 succeeded
at 600 complete 3.4 failed -> stale
# By age: the oldest goes first, with its job, its key and its log.
at 1100 expire -> ok
show rows
    | Finished 3, Group 1, Job 3, JobLog 1, Ledger 3, LogAge 1, NodeEvent 1, TaskKey 3, Tracker 1
at 1101 expire -> ok
show rows
    | Finished 2, Group 1, Job 2, JobLog 1, Ledger 2, LogAge 1, NodeEvent 1, TaskKey 2, Tracker 1
at 1700 expire -> ok
show rows
    | Group 1, LogAge 1, NodeEvent 1, Tracker 1
# By number a group; what is forgotten is not found.
at 2000 limits kept=999999999 runs=2 -> ok
at 2000 submit a trade , b trade , c trade , d other + dispatch w1 9 -> accepted 11.0, accepted 11.1, accepted 11.2, accepted 11.3, push 11.4 of 11.0/0 due 2000, push 11.5 of 11.1/0 due 2000, push 11.6 of 11.2/0 due 2000, ready trade, ready other
at 2000 complete 11.4 success , 11.5 success , 11.6 success -> accepted, accepted, accepted, 11.0/0 succeeded, 11.1/0 succeeded, 11.2/0 succeeded
at 2000 expire -> ok
show job 11.0
    | unknown
at 2000 cancel 11.0 -> NOT_FOUND
at 2000 cancel 11.1 -> ALREADY_FINISHED 11.1 succeeded
at 2000 retry 11.0/0 -> refused: run 11.0/0 is unknown or expired
show group trade
    | Group(GroupRow { submitted: 6, dispatched: 6, succeeded: 6, failed: 0, dead: 0, cancelled: 0, skipped: 0, retried: 0, reclaimed: 0, stale: 1, exe_success: 6, exe_failed: 0, exe_later: 0, exe_exception: 0, log_lines_dropped: 0, kept: 2 })
# A job that lives is not forgotten with its runs; when it has ended, it is.
at 3000 limits runs=0 -> ok
at 3000 submit r trade every=1000 -> accepted 18.0
at 3000 tick + dispatch w1 9 -> ok, push 19.0 of 18.0/0 due 3000, ready trade
at 3100 complete 19.0 success -> accepted, 18.0/0 succeeded
at 3100 expire -> ok
show job 18.0
    | r rev 1 lives
    | settled 3000 live 0 next 4000 every 1s remaining None
at 3200 cancel 18.0 -> CANCELLED 18.0, 18.0 ends
at 3200 cancel 18.0 -> ALREADY_FINISHED 18.0 cancelled
at 999999998 limits kept=1 -> ok
at 999999999 expire -> ok
show job 18.0
    | unknown
# Request ids, client sessions with their answers, offline TaskTrackers.
at 1000000000 open c1 -> client 26.0
at 1000000000 cancel trade/x req=c1:1 + cancel trade/x id=abc -> NOT_FOUND, NOT_FOUND
at 1000000000 offline w1 left -> ok
at 1000004000 expire -> ok
show rows
    | Answer 1, Client 1, Group 2, Job 1, Live 1, NodeEvent 2, Request 1, RequestAge 1, TaskKey 1, Tracker 1
at 1000100000 expire -> ok
show rows
    | Group 2, Job 1, Live 1, NodeEvent 2, TaskKey 1
at 1000100000 cancel trade/x req=c1:1 -> refused: client session 26.0 is unknown or expired
