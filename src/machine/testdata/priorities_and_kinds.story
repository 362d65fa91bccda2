# By priority, then due, then id; over kinds; a TaskTracker gets no kind that it does not take.
at 0 online all trade 2 -> session 1.0
at 0 online mail trade 9 kinds=mail -> session 2.0
at 0 online other stock 9 -> session 3.0
at 100 submit a trade kind=mail priority=200 -> accepted 4.0, ready trade
at 200 submit b trade kind=pay -> accepted 5.0, ready trade
at 300 submit c trade kind=mail priority=1 -> accepted 6.0, ready trade
at 300 submit d trade kind=pay priority=1 -> accepted 7.0, ready trade
at 150 submit e trade kind=mail -> accepted 8.0, ready trade
at 1000 submit f trade at=2000 priority=1 -> accepted 9.0
show ready trade
    | mail: [6.0/0, 8.0/0, 4.0/0]
    | pay: [7.0/0, 5.0/0]
at 1000 dispatch other 9 -> nothing
at 1000 dispatch all 1 -> push 11.0 of 6.0/0 due 300
at 1000 dispatch mail 2 -> push 12.0 of 8.0/0 due 300, push 12.1 of 4.0/0 due 100
at 1000 dispatch mail 9 -> nothing
at 2000 tick -> ok, ready trade
at 2000 dispatch all 9 -> push 15.0 of 7.0/0 due 300
show ready trade
    | k: [9.0/0]
    | pay: [5.0/0]
