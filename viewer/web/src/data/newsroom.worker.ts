import { Newsroom } from "./newsroom";
import type { Ask, Tell } from "./posts";

interface ConnectEvent extends Event {
  readonly ports: readonly MessagePort[];
}

const newsroom = new Newsroom((url) => new EventSource(url));

addEventListener("connect", (event) => {
  const [port] = (event as ConnectEvent).ports;
  port.onmessage = ({ data }: MessageEvent<Ask>) => newsroom.hear(port, data, (tell: Tell) => port.postMessage(tell));
});
