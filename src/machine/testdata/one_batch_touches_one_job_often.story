at 1000 online w1 trade 9 -> session 1.0
# A batch that replaces its own job leaves one run, not two.
at 1000 submit t1 trade payload=one , t1 trade payload=two replace , t1 trade payload=three replace , t1 trade -> accepted 2.0, replaced 2.0 rev 2, replaced 2.0 rev 3, exists 2.0, ready trade, 2.0/0 skipped Superseded 1 to 1000, ready trade, 2.0/1 skipped Superseded 1 to 1000, ready trade
show job 2.0
    | t1 rev 3 lives
    | 2.0/2 due 1000 rev 3 ready since 1000 executions 0 retries 0 reclaims 0
    | 2.0/0 due 1000 rev 1 skipped Superseded 1 to 1000 at 1000 error "a newer revision of the job came"
    | 2.0/1 due 1000 rev 2 skipped Superseded 1 to 1000 at 1000 error "a newer revision of the job came"
at 1000 dispatch w1 9 -> push 3.0 of 2.0/2 due 1000 payload three
at 1000 complete 3.0 success -> accepted, 2.0/2 succeeded
# Also for periodic jobs and across types.
at 2000 submit r trade every=1000 , r trade every=500 replace , r trade cron replace , r trade payload=now replace -> accepted 5.0, replaced 5.0 rev 2, replaced 5.0 rev 3, replaced 5.0 rev 4, ready trade, 5.0/0 skipped Superseded 1 to 2000, ready trade, 5.0/1 skipped Superseded 1 to 2000, needs plan 5.0, ready trade
show job 5.0
    | r rev 4 lives
    | 5.0/2 due 2000 rev 4 ready since 2000 executions 0 retries 0 reclaims 0
    | 5.0/0 due 2000 rev 1 skipped Superseded 1 to 2000 at 2000 error "a newer revision of the job came"
    | 5.0/1 due 2000 rev 2 skipped Superseded 1 to 2000 at 2000 error "a newer revision of the job came"
at 2000 dispatch w1 9 -> push 6.0 of 5.0/2 due 2000 payload now
at 2100 complete 6.0 success -> accepted, 5.0/2 succeeded
# Several results of one periodic job in one batch.
at 3000 submit many trade every=10 count=3 norely -> accepted 8.0
at 3020 tick + dispatch w1 9 -> ok, push 9.0 of 8.0/0 due 3000, push 9.1 of 8.0/1 due 3010, push 9.2 of 8.0/2 due 3020, ready trade
show job 8.0
    | many rev 1 lives
    | settled 3020 live 3 next 3030 every 10ms remaining Some(0)
    | 8.0/0 due 3000 rev 1 executing 9.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 8.0/1 due 3010 rev 1 executing 9.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 8.0/2 due 3020 rev 1 executing 9.2 on w1 1.0 executions 1 retries 0 reclaims 0
at 3030 complete 9.0 success , 9.1 failed , 9.2 exception , 9.0 success -> accepted, accepted, accepted, accepted, 8.0/0 succeeded, 8.0/1 failed, 8.0/2 dead, 8.0 ends
show job 8.0
    | many rev 1 has ended
    | 8.0/0 due 3000 rev 1 succeeded at 3030 executions 1 retries 0 reclaims 0 [9.0 EXECUTE_SUCCESS resent]
    | 8.0/1 due 3010 rev 1 failed at 3030 executions 1 retries 0 reclaims 0 [9.1 EXECUTE_FAILED]
    | 8.0/2 due 3020 rev 1 dead at 3030 executions 1 retries 0 reclaims 0 [9.2 EXECUTE_EXCEPTION]
# All of them at once with their TaskTracker.
at 4000 submit lost trade every=10 count=3 norely -> accepted 11.0
at 4020 tick + dispatch w1 9 -> ok, push 12.0 of 11.0/0 due 4000, push 12.1 of 11.0/1 due 4010, push 12.2 of 11.0/2 due 4020, ready trade
at 4020 offline w1 left -> ok, terminate 12.0 on 1.0, ready trade, terminate 12.1 on 1.0, ready trade, terminate 12.2 on 1.0, ready trade
show job 11.0
    | lost rev 1 lives
    | settled 4020 live 3 next 4030 every 10ms remaining Some(0)
    | 11.0/0 due 4000 rev 1 ready since 4020 executions 1 retries 0 reclaims 1
    | 11.0/1 due 4010 rev 1 ready since 4020 executions 1 retries 0 reclaims 1
    | 11.0/2 due 4020 rev 1 ready since 4020 executions 1 retries 0 reclaims 1
at 4030 cancel trade/lost -> CANCEL_REQUESTED 11.0, 11.0/0 cancelled, 11.0/1 cancelled, 11.0/2 cancelled, 11.0 ends
show job 11.0
    | lost rev 1 has ended
    | 11.0/0 due 4000 rev 1 cancelled at 4030 executions 1 retries 0 reclaims 1 [12.0 TrackerLeft] error "cancelled"
    | 11.0/1 due 4010 rev 1 cancelled at 4030 executions 1 retries 0 reclaims 1 [12.1 TrackerLeft] error "cancelled"
    | 11.0/2 due 4020 rev 1 cancelled at 4030 executions 1 retries 0 reclaims 1 [12.2 TrackerLeft] error "cancelled"
