import sys,time,pathlib,tempfile
from ttft import *
def main():
    model=pathlib.Path(sys.argv[1]); n=int(sys.argv[2])
    kinds=[SERVERS[w] for w in sys.argv[3].split(",")]
    folder=pathlib.Path(tempfile.mkdtemp()); 
    ss=[k(Setting(model, 40960, 2), folder) for k in kinds]
    words=words_for(ss[0], PROMPT, lambda n: request("Case x. "+prose(0,n),[user("What is it?")]))
    opening = [user("What is it?"), {"role": "assistant", "content": "An answer."}]
    base=count_tokens(ss[0], request("x", opening[:1]))+2
    short=words_for(ss[0], base+SHORT, lambda n: request("x",[*opening,user(prose(1,n))]))
    for s in ss:
        talk=Conversation("a",words)
        for i in range(n):
            print("MARK", s.who, i, file=sys.stderr, flush=True)
            t=time.perf_counter(); a=talk.say(s, "What is it?" if i==0 else prose(i,short), 8)
            print(s.who, i, f"{a.ttft*1e3:.1f} ms total {a.total*1e3:.1f} computed {a.computed} reused {a.reused}", flush=True)
    for s in ss: s.stop()
    import subprocess
    for f in folder.rglob("*log*"): print(f)
if __name__=="__main__": main()
