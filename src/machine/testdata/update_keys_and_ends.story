# The first answer is the answer to all retries, whatever the job has become.
at 1000 online w1 trade 9 -> session 1.0
at 1000 open c -> client 2.0
at 1000 submit t1 trade at=5000 -> accepted 3.0
at 1100 update 3.0 id=u1 priority=5 -> UPDATED 3.0 rev 2
at 1200 cancel 3.0 -> CANCELLED 3.0, 3.0/0 cancelled
at 1300 update 3.0 id=u1 priority=5 -> again: UPDATED 3.0 rev 2
at 1300 update 3.0 id=u1 priority=6 -> refused: the sequence or request id was used for another request
at 1300 update 3.0 id=u2 priority=6 -> ALREADY_FINISHED 3.0 cancelled
at 1300 update 3.0 id=u3 refused -> refused before
at 1300 update 9.9 id=u4 refused -> NOT_FOUND
at 1400 submit t2 trade -> accepted 11.0, ready trade
at 1500 update trade/t2 id=u5 refused -> refused before
at 1500 update trade/t2 req=c:1 payload=new -> UPDATED 11.0 rev 2, ready trade
at 1500 update trade/t2 req=c:1 payload=new -> again: UPDATED 11.0 rev 2

# A last instant that is due may end the job before the update.
at 2000 submit r1 trade every=100 count=1 deadline=50 -> accepted 15.0
at 2500 update trade/r1 priority=5 -> ALREADY_FINISHED 15.0 skipped DeadlinePassed 1 to 2000, 15.0 ends

# What was cancelled and still executes may be updated, and is not revived.
at 3000 submit c1 trade cron -> accepted 17.0, needs plan 17.0
at 3100 plan 17.0 after=3000 instants=3200,9000,9100,9200 -> ok
at 3300 tick + dispatch w1 9 -> ok, push 19.0 of 11.0/0 due 1400 payload new, push 19.1 of 17.0/0 due 3200, ready trade, needs plan 17.0
at 3400 cancel 17.0 -> CANCEL_REQUESTED 17.0, terminate 19.1 on 1.0
at 3500 update 17.0 cron=other -> UPDATED 17.0 rev 2
show job 17.0
    | c1 rev 2 lives
    | settled 3200 live 1 stopped
    | 17.0/0 due 3200 rev 1 executing 19.1 on w1 1.0 executions 1 retries 0 reclaims 0 stop Cancel
at 3600 complete 19.1 success -> accepted, 17.0/0 succeeded, 17.0 ends
show job 17.0
    | c1 rev 2 has ended
    | 17.0/0 due 3200 rev 1 succeeded at 3600 executions 1 retries 0 reclaims 0 [19.1 EXECUTE_SUCCESS]

# A one-shot replacement that waits for what executes takes the update too.
at 4000 submit t5 trade at=4100 -> accepted 23.0
at 4100 tick + dispatch w1 9 -> ok, push 24.0 of 23.0/0 due 4100, ready trade
at 4200 submit t5 trade at=4300 replace -> replaced 23.0 rev 2
at 4300 update trade/t5 at=9000 -> UPDATED 23.0 rev 3
show job 23.0
    | t5 rev 3 lives
    | settled 4200 live 1 stopped until restart
    | 23.0/0 due 4100 rev 1 executing 24.0 on w1 1.0 executions 1 retries 0 reclaims 0 superseded
at 4400 complete 24.0 success -> accepted, 23.0/0 succeeded
show job 23.0
    | t5 rev 3 lives
    | 23.0/1 due 9000 rev 3 waiting until 9000 executions 0 retries 0 reclaims 0
    | 23.0/0 due 4100 rev 1 succeeded at 4400 executions 1 retries 0 reclaims 0 [24.0 EXECUTE_SUCCESS]
