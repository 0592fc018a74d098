import "./tokens.css";
import "./base.css";
import "./density.css";
import { mount } from "svelte";
import { Board } from "../data/board.svelte";
import App from "./App.svelte";
import { Density } from "./density.svelte";
import { Theme } from "./theme.svelte";
import { View } from "./view.svelte";

const target = document.getElementById("app");
if (!target) throw new Error("the page has no #app to fill");
const board = new Board();
board.start();
mount(App, { target, props: { board, view: new View(board, location.hash), theme: new Theme(), density: new Density() } });
void import("./lists");
