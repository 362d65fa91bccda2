# The node group of a job may change: its key moves with it, if nobody has it there.
at 1000 online w1 trade 1 -> session 1.0
at 1000 online w2 stock 9 -> session 2.0
at 1000 submit t1 trade , t2 stock , t1 hold -> accepted 3.0, accepted 3.1, accepted 3.2, ready trade, ready stock, ready hold
at 1100 update trade/t1 group=hold -> KEY_TAKEN by 3.2
at 1200 update trade/t1 group=stock -> UPDATED 3.0 rev 2, ready stock
show ready trade
show ready stock
    | k: [3.0/0, 3.1/0]
at 1300 cancel trade/t1 -> NOT_FOUND
at 1300 update stock/t1 priority=1 -> UPDATED 3.0 rev 3, ready stock
at 1400 dispatch w2 9 -> push 8.0 of 3.0/0 due 1000, push 8.1 of 3.1/0 due 1000
at 1500 submit t1 trade -> accepted 9.0, ready trade

# What has executed is tried again where it did: only what was not dispatched moves.
at 1600 update stock/t1 group=third retries=1 delay=100 -> UPDATED 3.0 rev 4
at 1700 complete 8.0 later -> accepted
at 1900 tick -> ok, ready stock
show ready third
show ready stock
    | k: [3.0/0]
at 2000 online w3 third 1 -> session 13.0
at 2000 dispatch w2 1 -> push 14.0 of 3.0/0 due 1000 attempt 2 retries 1 reclaims 0
at 2100 complete 14.0 success -> accepted, 3.0/0 succeeded
show group stock
    | Group(GroupRow { submitted: 1, dispatched: 3, succeeded: 1, failed: 0, dead: 0, cancelled: 0, skipped: 0, retried: 1, reclaimed: 0, stale: 0, exe_success: 1, exe_failed: 0, exe_later: 1, exe_exception: 0, log_lines_dropped: 0, kept: 1 })
show group third
at 2200 cancel third/t1 -> ALREADY_FINISHED 3.0 succeeded

# So is what was reclaimed; a push that was not taken was not dispatched, and moves.
at 3000 submit t9 trade priority=1 -> accepted 17.0, ready trade
at 3000 dispatch w1 9 -> push 18.0 of 17.0/0 due 3000
at 3100 update trade/t9 group=third -> UPDATED 17.0 rev 2
at 3200 reclaim 18.0 unknown -> ok, terminate 18.0 on 1.0, ready trade
show ready trade
    | k: [17.0/0, 9.0/0]
at 3300 cancel third/t9 -> CANCEL_REQUESTED 17.0, 17.0/0 cancelled
at 4000 submit t9 stock -> accepted 22.0, ready stock
at 4000 dispatch w2 1 -> push 23.0 of 22.0/0 due 4000
at 4100 update stock/t9 group=third -> UPDATED 22.0 rev 2
at 4200 return 23.0 -> ok, ready third
show ready third
    | k: [22.0/0]
at 4300 dispatch w3 1 -> push 26.0 of 22.0/0 due 4000

# A rhythm that moves skips and runs in its new group from then on.
at 5000 submit r1 stock every=1000 -> accepted 27.0
at 5000 tick + dispatch w2 1 -> ok, push 28.0 of 27.0/0 due 5000, ready stock
at 6000 tick -> ok
at 6100 update stock/r1 group=third -> UPDATED 27.0 rev 2
at 7000 tick -> ok
show job 27.0
    | r1 rev 2 lives
    | settled 7000 live 1 next 8000 every 1s remaining None
    | 27.0/0 due 5000 rev 1 executing 28.0 on w2 2.0 executions 1 retries 0 reclaims 0
    | 27.0/1 due 6000 rev 1 skipped PreviousStillLive 1 to 6000 at 6000
    | 27.0/2 due 7000 rev 2 skipped PreviousStillLive 1 to 7000 at 7000
at 7100 complete 28.0 success -> accepted, 27.0/0 succeeded
at 8000 tick -> ok, ready third
show ready third
    | k: [27.0/3]
