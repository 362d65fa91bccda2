# A job that does not rely on its previous cycle may overlap itself; its retries stand beside its instants.
at 0 online w1 trade 9 -> session 1.0
at 0 submit r trade every=1000 norely retries=1 delay=5000 -> accepted 2.0
at 0 tick + dispatch w1 9 -> ok, push 3.0 of 2.0/0 due 0, ready trade
at 1000 tick + dispatch w1 9 -> ok, push 4.0 of 2.0/1 due 1000, ready trade
at 1100 complete 3.0 exception -> accepted
at 2000 tick + dispatch w1 9 -> ok, push 6.0 of 2.0/2 due 2000, ready trade
at 6100 tick + dispatch w1 9 -> ok, push 7.0 of 2.0/0 due 0 attempt 2 retries 1 reclaims 0, push 7.1 of 2.0/3 due 3000, push 7.2 of 2.0/4 due 4000, push 7.3 of 2.0/5 due 5000, push 7.4 of 2.0/6 due 6000, ready trade
show job 2.0
    | r rev 1 lives
    | settled 6000 live 7 next 7000 every 1s remaining None
    | 2.0/0 due 0 rev 1 executing 7.0 on w1 1.0 executions 2 retries 1 reclaims 0
    | 2.0/1 due 1000 rev 1 executing 4.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/2 due 2000 rev 1 executing 6.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/3 due 3000 rev 1 executing 7.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/4 due 4000 rev 1 executing 7.2 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/5 due 5000 rev 1 executing 7.3 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/6 due 6000 rev 1 executing 7.4 on w1 1.0 executions 1 retries 0 reclaims 0
