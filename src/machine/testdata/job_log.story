# What somebody does is written down with who asked and why; terminate and retry beside their run, the rest beside the job.
at 1000 online w1 trade 4 -> session 1.0
at 1000 open c -> client 2.0
at 1000 submit t1 trade retries=3 + dispatch w1 1 -> accepted 3.0, push 3.1 of 3.0/0 due 1000, ready trade
at 1100 terminate 3.0/0 why=wrong-input req=c:1 -> terminating 3.1, terminate 3.1 on 1.0
show log 3.0/0
    | 4.0 3.1 terminated by 2.0: wrong-input
at 1200 complete 3.1 exception -> accepted, 3.0/0 failed
at 1300 retry 3.0/0 req=c:2 -> retried as 3.0/1, ready trade
show log 3.0/0
    | 4.0 3.1 terminated by 2.0: wrong-input
    | 6.0 retried as 3.0/1 by 2.0
show joblog 3.0
at 1400 cancel 3.0 why=typo -> CANCELLED 3.0, 3.0/1 cancelled
at 1400 cancel 3.0 why=again -> ALREADY_FINISHED 3.0 cancelled
show joblog 3.0
    | 7.0 cancelled: typo
# A job that lives for ever does not gather lines for ever.
at 2000 submit r trade every=1000 norely + dispatch w1 1 -> accepted 9.0, nothing
at 2000 tick + dispatch w1 1 -> ok, push 10.0 of 9.0/0 due 2000, ready trade
repeat 1 120 at 2000 cancel trade/r why=n{n}
show rows
    | Answer 2, Client 1, Finished 2, Group 1, Job 2, JobLog 103, Ledger 2, Live 1, LogAge 123, NodeEvent 1, Periodic 1, TaskKey 2, Tracker 1
at 2000 complete 10.0 success -> accepted, 9.0/0 succeeded, 9.0 ends
# They are forgotten with the job.
at 2000 limits kept=1 -> ok
at 9000 expire + expire -> ok, ok
show rows
    | Answer 2, Client 1, Group 1, LogAge 123, NodeEvent 1, Tracker 1
