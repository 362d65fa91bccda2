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

# What executes ends where it began, and is tried again where the job is now.
at 1600 update stock/t1 group=third retries=1 delay=100 -> UPDATED 3.0 rev 4
at 1700 complete 8.0 later -> accepted
at 1900 tick -> ok, ready third
show ready third
    | k: [3.0/0]
at 2000 online w3 third 1 -> session 13.0
at 2000 dispatch w3 1 -> push 14.0 of 3.0/0 due 1000 attempt 2 retries 1 reclaims 0
at 2100 complete 14.0 success -> accepted, 3.0/0 succeeded
show group stock
    | Group(GroupRow { submitted: 1, dispatched: 2, succeeded: 0, failed: 0, dead: 0, cancelled: 0, skipped: 0, retried: 1, reclaimed: 0, stale: 0, kept: 0 })
show group third
    | Group(GroupRow { submitted: 0, dispatched: 1, succeeded: 1, failed: 0, dead: 0, cancelled: 0, skipped: 0, retried: 0, reclaimed: 0, stale: 0, kept: 1 })
at 2200 cancel third/t1 -> ALREADY_FINISHED 3.0 succeeded

# A reclaim too goes on in the new group.
at 3000 submit t9 trade priority=1 -> accepted 17.0, ready trade
at 3000 dispatch w1 9 -> push 18.0 of 17.0/0 due 3000
at 3100 update trade/t9 group=third -> UPDATED 17.0 rev 2
at 3200 reclaim 18.0 unknown -> ok, terminate 18.0 on 1.0, ready third
show ready third
    | k: [17.0/0]
at 3300 dispatch w3 1 -> push 21.0 of 17.0/0 due 3000 attempt 2 retries 0 reclaims 1
at 3400 return 21.0 -> ok, ready third
at 3500 dispatch w3 1 -> push 23.0 of 17.0/0 due 3000 attempt 2 retries 0 reclaims 1
