// What this page uses of lit-html, for the type checker; the types of its package need its other files.
export type TemplateResult = { readonly _$litType$: 1 | 2 };
export function html(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export function svg(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export const nothing: unique symbol;
export function render(value: unknown, container: HTMLElement): unknown;
