// SPDX-License-Identifier: MIT
#include "dispatch/metrics.hpp"

namespace baton::dispatch {

const std::string_view status_page = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>batond</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>
:root{color-scheme:light dark;font:15px/1.45 system-ui,sans-serif}
body{margin:1.5rem auto;max-width:64rem;padding:0 1rem}
h1{font-size:1.3rem;margin:0}h2{font-size:1rem;margin:1.4rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem .2rem 0;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}th{font-weight:600}
#state{color:#777;margin:.2rem 0}.bad{color:#c33}
</style></head><body>
<h1>batond</h1><p id="state" role="status">asking ...</p><div id="tables"></div>
<script>
"use strict";
let before=null;
function table(title,heads,rows){
  const box=document.createElement("section"),h=document.createElement("h2"),t=document.createElement("table");
  h.textContent=title;
  const add=(row,kind)=>{const r=t.insertRow();for(const value of row){const c=document.createElement(kind);
    c.textContent=value;r.append(c)}};
  add(heads,"th");for(const row of rows)add(row,"td");
  box.append(h,t);return box;
}
function show(all,seconds){
  const s=all.status,c=s.counters,p=before&&before.status.counters;
  const rate=p&&seconds>0?", "+((c.moved-p.moved)/seconds).toFixed(0)+" moves/s":"";
  const state=document.getElementById("state");
  state.className="";
  state.textContent=`process ${s.process}, version ${s.version}, up ${s.uptime_s} s${s.draining?", draining":""}${rate}`;
  const names={arrived:"recognised",moved:"moved",came_back:"came back from a worker",no_route:"ended: no route",
    no_worker:"ended: no worker",refused:"ended: refused by its route",at_fault:"ended: bad input",
    dissolved:"reset: stream not as it should be"};
  const totals=Object.entries(names).map(([key,text])=>[text,c[key]]);
  totals.push(["waiting to be recognised",s.undecided],["held for a worker",s.held]);
  const mean=c.moved?(c.moved_ns/c.moved/1e6).toFixed(3)+" ms":"";
  totals.push(["mean time from accept to taken",mean]);
  const workers=all.pools.flatMap(pool=>pool.workers.map(w=>[pool.name,w.name,w.process||"",
    w.up?(w.late?"late":w.draining?"draining":"up"):"down",w.credit,w.under_way,w.moved,w.refused,w.lost]));
  document.getElementById("tables").replaceChildren(
    table("Connections",["",""],totals),
    table("Workers",["pool","worker","process","state","credit","under way","moved","refused","lost"],workers),
    table("Pools",["pool","kind","moved","copying","copied","not reached"],
      all.pools.map(x=>[x.name,x.kind,x.moved,x.copying,x.copied,x.connect_failures])),
    table("Routes",["route","pool","connections"],all.routes.map(r=>[r.name,r.pool??(r.to_called_tsap?"TSAP called":"refused"),r.connections])),
    table("TSAPs called",["TSEL","moved","refused"],s.called_tsaps.map(t=>[t.tsap??"all others",t.moved,t.refused])),
    table("Listeners",["listener","address","accepted","waiting","gone","too many","late"],
      s.listeners.map(l=>[l.name,l.address,l.accepted,l.waiting,l.gone,l.too_many,l.late])));
}
let last=0;
async function ask(){
  try{
    const answer=await fetch("status.json",{cache:"no-store"});
    const all=await answer.json(),now=performance.now();
    show(all,(now-last)/1000);before=all;last=now;
  }catch(error){
    const state=document.getElementById("state");
    state.className="bad";state.textContent="batond does not answer";
  }
  setTimeout(ask,1000);
}
ask();
</script></body></html>
)html";

}  // namespace baton::dispatch
