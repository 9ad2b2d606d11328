// Builds the web app into dist/, without anything inline, so that a strict content security policy holds.
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const gateway = process.env.KITH_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: false },
  build: { assetsInlineLimit: 0, modulePreload: false, target: 'es2022' },
  server: { host: '127.0.0.1', proxy: { '/api': gateway } },
})
