# An update is one command with an expected revision: what waits takes it in place, in every queue.
at 1000 online w1 trade 1 -> session 1.0
at 1000 submit t1 trade at=5000 payload=old , t2 trade , t3 trade priority=50 -> accepted 2.0, accepted 2.1, accepted 2.2, ready trade
at 1100 update 2.0 rev=7 priority=1 -> REVISION_CONFLICT 2.0 is at rev 1
at 1200 update 2.0 rev=1 at=3000 payload=new retries=1 delay=100 -> UPDATED 2.0 rev 2
show job 2.0
    | t1 rev 2 lives
    | 2.0/0 due 3000 rev 2 waiting until 3000 executions 0 retries 0 reclaims 0
show next
    | Some(3000)

# A trigger time that has passed is now; the rank in the ready queue is the new one, and no other stays.
at 1300 update trade/t1 at=900 priority=1 -> UPDATED 2.0 rev 3, ready trade
show job 2.0
    | t1 rev 3 lives
    | 2.0/0 due 1300 rev 3 ready since 1300 executions 0 retries 0 reclaims 0
show ready trade
    | k: [2.0/0, 2.2/0, 2.1/0]
at 1400 update 2.2 priority=200 kind=other -> UPDATED 2.2 rev 2, ready trade
show ready trade
    | k: [2.0/0, 2.1/0]
    | other: [2.2/0]
at 1500 dispatch w1 9 -> push 7.0 of 2.0/0 due 1300 payload new

# What executes keeps its revision; whether it is tried again, and with what, is for the newest to say.
at 1600 update 2.0 payload=newest retries=2 priority=300 -> UPDATED 2.0 rev 4
show job 2.0
    | t1 rev 4 lives
    | 2.0/0 due 1300 rev 3 executing 7.0 on w1 1.0 executions 1 retries 0 reclaims 0
at 1700 complete 7.0 exception -> accepted
at 1900 tick -> ok, ready trade
show job 2.0
    | t1 rev 4 lives
    | 2.0/0 due 1300 rev 4 ready since 1900 executions 1 retries 1 reclaims 0
at 2000 dispatch w1 9 -> push 11.0 of 2.1/0 due 1000
at 2100 complete 11.0 success -> accepted, 2.1/0 succeeded
at 2200 dispatch w1 9 -> push 13.0 of 2.2/0 due 1000

# The type changes by a replacing submit only, and what could not be submitted is refused.
at 2300 update 2.1 every=1000 -> ALREADY_FINISHED 2.1 succeeded
at 2300 update 2.1 deadline=0 -> ALREADY_FINISHED 2.1 succeeded
at 2300 update 9.9 priority=1 -> NOT_FOUND
at 2300 update trade/nobody priority=1 -> NOT_FOUND
at 2300 update 2.0 priority=1 -> UPDATED 2.0 rev 5, ready trade
at 2400 complete 13.0 success -> accepted, 2.2/0 succeeded
show rows
    | Finished 2, Group 1, Job 3, JobLog 5, Ledger 2, Live 1, LogAge 5, NodeEvent 1, TaskKey 3, Tracker 1
