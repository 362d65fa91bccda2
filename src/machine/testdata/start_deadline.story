at 0 online w1 trade 9 -> session 1.0
# Not started in time: skipped when somebody could have started it.
at 0 submit t1 trade deadline=1000 -> accepted 2.0, ready trade
at 1001 dispatch w1 9 -> nothing, 2.0/0 skipped DeadlinePassed 1 to 0
show job 2.0
    | t1 rev 1 has ended
    | 2.0/0 due 0 rev 1 skipped DeadlinePassed 1 to 0 at 1001 error "could not start before its deadline"
at 2000 submit t2 trade at=3000 deadline=1000 -> accepted 4.0
at 4001 tick -> ok, 4.0/0 skipped DeadlinePassed 1 to 3000
show job 4.0
    | t2 rev 1 has ended
    | 4.0/0 due 3000 rev 1 skipped DeadlinePassed 1 to 3000 at 4001 error "it was due too long ago"
# In time. A retry, a reclaim or a return has started before, or starts anew.
at 5000 submit t3 trade deadline=1000 retries=1 delay=5000 -> accepted 6.0, ready trade
at 6000 dispatch w1 9 -> push 7.0 of 6.0/0 due 5000
at 6000 complete 7.0 exception -> accepted
at 11000 tick + dispatch w1 9 -> ok, push 9.0 of 6.0/0 due 5000 attempt 2 retries 1 reclaims 0, ready trade
at 11000 return 9.0 -> ok, ready trade
at 11000 dispatch w1 9 -> push 11.0 of 6.0/0 due 5000 attempt 2 retries 1 reclaims 0
at 11000 complete 11.0 success -> accepted, 6.0/0 succeeded
at 12000 submit t4 trade deadline=1000 + dispatch w1 9 -> accepted 13.0, push 13.1 of 13.0/0 due 12000, ready trade
at 14000 return 13.1 -> ok, ready trade
at 14000 dispatch w1 9 -> nothing, 13.0/0 skipped DeadlinePassed 1 to 12000
show job 13.0
    | t4 rev 1 has ended
    | 13.0/0 due 12000 rev 1 skipped DeadlinePassed 1 to 12000 at 14000 error "could not start before its deadline"
# A periodic job: each instant has its own.
at 20000 submit r trade every=1000 deadline=500 norely -> accepted 16.0
at 23200 tick + dispatch w1 9 -> ok, push 17.0 of 16.0/1 due 23000, ready trade
show job 16.0
    | r rev 1 lives
    | settled 23000 live 1 next 24000 every 1s remaining None
    | 16.0/1 due 23000 rev 1 executing 17.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 16.0/0 due 20000 rev 1 skipped DeadlinePassed 3 to 22000 at 23200
# Nobody there at all: time alone gives it its fate.
at 30000 submit t5 alone deadline=1000 -> accepted 18.0, ready alone
show next
    | Some(24000)
at 31000 tick -> ok, ready trade
at 31001 tick -> ok, 18.0/0 skipped DeadlinePassed 1 to 30000
